// Form fields with labels, hints and the errors that the API returns.

import { h, setChildren, uniqueId } from "../dom.js";

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
  /** @param {Ui.Child} text */
  const setError = (text) => {
    setChildren(error, text);
    if (text) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  };
  control.addEventListener("input", () => setError(null));
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
 * Creates a field with radio buttons, of which the first is chosen.
 *
 * @param {{ legend: string, options: { value: string, label: string, hint?: string }[] }} options
 * @returns {Ui.Field<string>}
 */
export function choice({ legend, options }) {
  const id = uniqueId("choice");
  const error = h("p", { id: `${id}-error`, class: "field-error" });
  const inputs = options.map(({ value }, number) =>
    h("input", { type: "radio", id: `${id}-${number}`, name: id, value, checked: number === 0 }),
  );
  const rows = options.map(({ label, hint }, number) => choiceRow(inputs[number], label, hint));
  return {
    element: h("fieldset", { "aria-describedby": error.id }, h("legend", {}, legend), rows, error),
    control: inputs[0],
    value: () => inputs.find((each) => each.checked)?.value ?? "",
    fill: (value) => {
      for (const each of inputs) each.checked = each.value === value;
    },
    setError: (text) => setChildren(error, text),
  };
}

/**
 * A checkbox or radio button with its label.
 *
 * @param {HTMLInputElement} input
 * @param {string} label
 * @param {Ui.Child} [hint]
 */
export const choiceRow = (input, label, hint) =>
  h(
    "div",
    { class: "check" },
    input,
    h("div", {}, h("label", { for: input.id }, label), hint && h("p", { class: "hint" }, hint)),
  );

/**
 * Shows the API's errors at the fields that their pointers name, and moves the focus to the first of these fields.
 * Returns the errors that belong to no field, each with its name.
 *
 * @param {Record<string, { control: HTMLElement, setError?: (text: Ui.Child) => void }>} fields
 * @param {Api.FieldError[]} errors
 */
export function showErrors(fields, errors) {
  /** @type {string[]} */
  const rest = [];
  /** @type {Map<string, string[]>} */
  const texts = new Map(Object.keys(fields).map((name) => [name, []]));
  for (const { pointer, message } of errors) {
    const [name, ...inside] = pointer.replace(/^\//, "").split("/").map(unescaped);
    if (fields[name]?.setError) texts.get(name)?.push(named(inside, message));
    else rest.push(named([name, ...inside], message));
  }
  const wrong = [...texts].filter(([, each]) => each.length);
  for (const [name, each] of wrong) fields[name].setError?.(each.join(" "));
  if (wrong.length) focusField(fields[wrong[0][0]].control);
  return rest;
}

/**
 * The browser scrolls to a control that gets the focus, but not to the error below it.
 *
 * @param {HTMLElement} control
 */
function focusField(control) {
  control.focus();
  control.closest(".field")?.scrollIntoView({ block: "nearest" });
}

/**
 * A message with the name of what is wrong inside a field. The number of an item says nothing to a user.
 *
 * @param {string[]} path
 * @param {string} message
 */
function named(path, message) {
  const name = path.filter((step) => step && !/^\d+$/.test(step)).join(" ");
  return name ? `${name}: ${message}` : message;
}

/**
 * One step of a JSON pointer (RFC 6901).
 *
 * @param {string} step
 */
const unescaped = (step) => step.replaceAll("~1", "/").replaceAll("~0", "~");
