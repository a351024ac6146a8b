// Form fields with labels, hints and the errors that the API returns.

import { h, uniqueId } from "../dom.js";

/** @type {[RegExp, (...groups: string[]) => string][]} What the API's validation messages mean to a user. */
const PLAIN = [
  [/^String should have at least 1 character$/, () => "This field can't be empty."],
  [/^String should match pattern/, () => "This field can't be empty."],
  [/^String should have at most (\d+) characters?$/, (most) => `Too long: use at most ${most} characters.`],
  [/^List should have at least 1 item/, () => "Select at least one."],
  [/^Value error, (.)(.*)$/s, (first, rest) => first.toUpperCase() + rest],
  [/^Field required$/, () => "This field is required."],
  [/^the header (\S+) has no value yet/, (name) => `${name} has no saved value to keep. Enter it as ${name}: value.`],
];

/**
 * Creates a field with a text control. `make` must pass its attributes on to the control, because they connect it to
 * its label, hint and error.
 *
 * @param {{
 *   label: string,
 *   hint?: string,
 *   make: (attributes: Ui.Attributes) => HTMLInputElement | HTMLTextAreaElement,
 * }} options
 * @returns {Required<Ui.Field<string>>}
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
  /** @param {string} text */
  const setError = (text) => {
    error.replaceChildren(text);
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  control.addEventListener("input", () => setError(""));
  // Controls normalise line breaks, so an untouched value is returned exactly as it was filled in.
  let [original, normalised] = ["", ""];
  /** @param {string} value */
  const fill = (value) => {
    control.value = value;
    [original, normalised] = [value, control.value];
  };
  const value = () => (control.value === normalised ? original : control.value);
  return { element, control, value, fill, setError };
}

/**
 * Creates a field with a checkbox.
 *
 * @param {string} label
 * @returns {Ui.Field<boolean>}
 */
export function checkbox(label) {
  const control = h("input", { type: "checkbox", id: uniqueId("box") });
  const element = h("p", { class: "check" }, control, h("label", { for: control.id }, label));
  return {
    element,
    control,
    value: () => control.checked,
    fill: (checked) => {
      control.checked = checked;
    },
  };
}

/**
 * Shows the API's errors at their fields and moves the focus to the first of these. Returns the errors that belong to
 * no field.
 *
 * @param {Record<string, { control: HTMLElement, setError?: (text: string) => void }>} fields
 * @param {Api.FieldError[]} errors
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

/** @param {string} message */
function plain(message) {
  for (const [pattern, describe] of PLAIN) {
    const match = pattern.exec(message);
    if (match) return describe(...match.slice(1));
  }
  return message;
}
