// The field for the events that a webhook is told of.

import { h, uniqueId } from "../dom.js";

/** Every event, or some of `types`. */
export function eventChoice(types) {
  const errorId = uniqueId("events");
  const error = h("p", { id: errorId, class: "field-error" });
  const box = (value, label, hint) => {
    const input = h("input", { type: "checkbox", id: uniqueId("event"), value });
    return {
      input,
      element: h(
        "div",
        { class: "check" },
        input,
        h("div", {}, h("label", { for: input.id }, label), hint && h("p", { class: "hint" }, hint)),
      ),
    };
  };
  const every = box("*", "All events, including future ones");
  const boxes = types.map((each) => box(each.type, each.type, each.description));
  const some = h(
    "div",
    { class: "some-events" },
    boxes.map((each) => each.element),
  );
  const show = () => {
    some.hidden = every.input.checked;
  };
  every.input.addEventListener("change", show);
  return {
    element: h("fieldset", { "aria-describedby": errorId }, h("legend", {}, "Events"), every.element, some, error),
    control: every.input,
    value: () =>
      every.input.checked ? ["*"] : boxes.filter((each) => each.input.checked).map((each) => each.input.value),
    fill: (events) => {
      for (const { input } of [every, ...boxes]) input.checked = events.includes(input.value);
      show();
    },
    setError: (text) => error.replaceChildren(text),
  };
}
