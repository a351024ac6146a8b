// The form field for the events that a webhook receives.

import { h, setChildren, uniqueId } from "../dom.js";
import { choiceRow } from "./fields.js";

const ALL = "*";

/**
 * A choice between all events and some of them.
 *
 * @param {Api.EventType[]} types
 * @returns {Ui.Field<string[]>}
 */
export function eventChoice(types) {
  const errorId = uniqueId("events");
  const error = h("p", { id: errorId, class: "field-error" });
  const all = option(ALL, "All events, including future ones");
  const options = types.map((each) => option(each.type, each.type, each.description));
  const some = h(
    "div",
    { class: "some-events" },
    options.map((each) => each.element),
  );
  const update = () => {
    some.hidden = all.input.checked;
  };
  all.input.addEventListener("change", update);
  for (const { input } of [all, ...options]) input.addEventListener("change", () => setChildren(error));
  return {
    element: h("fieldset", { "aria-describedby": errorId }, h("legend", {}, "Events"), all.element, some, error),
    control: all.input,
    value: () =>
      all.input.checked ? [ALL] : options.filter((each) => each.input.checked).map((each) => each.input.value),
    fill: (events) => {
      for (const { input } of [all, ...options]) input.checked = events.includes(input.value);
      update();
    },
    setError: (text) => setChildren(error, text),
  };
}

/**
 * @param {string} value
 * @param {string} label
 * @param {string} [hint]
 */
function option(value, label, hint) {
  const input = h("input", { type: "checkbox", id: uniqueId("event"), value });
  const element = choiceRow(input, label, hint && withCode(hint));
  return { input, element };
}

/**
 * A text in which backticks enclose names in code.
 *
 * @param {string} text
 */
const withCode = (text) => text.split("`").map((part, number) => (number % 2 ? h("code", {}, part) : part));
