// Fields of a form with their labels, hints and the errors that the API answers.

import { h, uniqueId } from "../dom.js";

// What the API's checks say, for people who do not read the language of checks.
const PLAIN = [
  [/^String should have at least 1 character$/, () => "This field can't be empty."],
  [/^String should match pattern/, () => "This field can't be empty."],
  [/^String should have at most (\d+) characters?$/, (most) => `Too long: use at most ${most} characters.`],
  [/^List should have at least 1 item/, () => "Select at least one."],
  [/^Value error, (.)/, (first) => first.toUpperCase()],
  [/^Field required$/, () => "This field is required."],
  [/^the header (\S+) has no value yet/, (name) => `${name} has no saved value to keep. Enter it as ${name}: value.`],
];

/**
 * `{element, control, value, fill, setError}`. `control` is made by `make(attributes)`, which must pass the attributes on: they tie the
 * control to its label, its hint and its error.
 */
export function field({ label, hint, make }) {
  const id = uniqueId("field");
  const error = h("p", { id: `${id}-error`, class: "field-error" });
  const control = make({ id, "aria-describedby": hint ? `${id}-hint ${id}-error` : `${id}-error` });
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control,
    hint && h("p", { id: `${id}-hint`, class: "hint" }, hint),
    error,
  );
  const setError = (text) => {
    error.replaceChildren(...[text].flat());
    control.toggleAttribute("aria-invalid", Boolean(text.length));
    if (text.length) control.setAttribute("aria-invalid", "true");
  };
  control.addEventListener("input", () => setError(""));
  let [filled, held] = ["", ""]; // Controls change line breaks: what nobody touched is given back as it came.
  const fill = (value) => {
    control.value = value;
    [filled, held] = [value, control.value];
  };
  const value = () => (control.value === held ? filled : control.value);
  return { element, control, value, fill, setError };
}

/** A box to tick, in the shape of a field. No error can be about it. */
export function checkbox(label) {
  const control = h("input", { type: "checkbox", id: uniqueId("box") });
  const fill = (value) => {
    control.checked = value;
  };
  const element = h("p", { class: "check" }, control, h("label", { for: control.id }, label));
  return { element, control, value: () => control.checked, fill };
}

/**
 * Shows the API's errors at the fields they point at; moves the focus to the first. Returns the texts that belong to no
 * field.
 */
export function showErrors(fields, errors) {
  const rest = [];
  let first = null;
  for (const { pointer, message } of errors) {
    const [, name] = pointer.split("/");
    const target = fields[name];
    if (!target?.setError) {
      rest.push(`${pointer.replace(/^\//, "")} ${message}`.trim());
      continue;
    }
    target.setError(plain(message));
    first ??= target.control;
  }
  first?.focus();
  return rest;
}

function plain(message) {
  for (const [pattern, say] of PLAIN) {
    const found = pattern.exec(message);
    if (found)
      return found[0].startsWith("Value error") ? say(found[1]) + message.slice(found[0].length) : say(found[1]);
  }
  return message;
}
