// The filters above the list of products. A text filter applies once the user stops typing.

import { h } from "../dom.js";
import { LABELS as PRODUCT } from "./product-form.js";

/**
 * The state of the list, as the URL has it.
 *
 * @typedef {{
 *   sku: string, name: string, description: string, active: string, sort: string, limit: string, cursor: string,
 * }} ListState
 * @typedef {Exclude<keyof ListState, "cursor">} Filter
 * @typedef {HTMLInputElement | HTMLSelectElement} Control
 */

const WAIT_MS = 300;
const CHARACTERS_MAX = 255;
export const SORTS = { "-id": "Newest first", id: "Oldest first", sku: "SKU, A to Z", "-sku": "SKU, Z to A" };
const LABELS = { ...PRODUCT, sort: "Sort by", limit: "Page size" };
const ACTIVE = { "": "All", true: "Active", false: "Inactive" };
const SIZES = { 20: "20 rows", 50: "50 rows", 100: "100 rows", 200: "200 rows" };

/**
 * `onChange` gets the changed filters, and which text filter was typed into, or null after a choice.
 *
 * @param {ListState} state
 * @param {(changes: Partial<ListState>, typed: Filter | null) => void} onChange
 * @returns {Ui.View<ListState>}
 */
export function productFilters(state, onChange) {
  /** @type {Partial<ListState>} */
  let changes = {};
  let timer = 0;
  /** @param {Filter | null} typedInto */
  const send = (typedInto) => {
    clearTimeout(timer);
    const sent = changes;
    changes = {};
    onChange(sent, typedInto);
  };
  // A choice also applies the text typed just before it, so that the list never shows half of the filters.
  /** @type {(name: Filter, control: Control) => void} */
  const chosen = (name, control) => {
    changes[name] = control.value;
    send(null);
  };
  /** @type {(name: Filter, control: Control) => void} */
  const typed = (name, control) => {
    changes[name] = control.value;
    clearTimeout(timer);
    timer = setTimeout(() => control.isConnected && send(name), WAIT_MS);
  };
  /** @type {[Filter, Control][]} */
  const controls = [
    ["sku", text("sku", typed)],
    ["name", text("name", typed)],
    ["description", text("description", typed)],
    ["active", choice("active", ACTIVE, chosen)],
    ["sort", choice("sort", SORTS, chosen)],
    ["limit", choice("limit", SIZES, chosen)],
  ];
  /** @param {ListState} shown */
  const show = (shown) => {
    for (const [name, control] of controls) control.value = shown[name];
  };
  show(state);
  const fields = controls.map(([name, control]) =>
    h("div", { class: "filter" }, h("label", { for: control.id }, LABELS[name]), control),
  );
  const element = h(
    "form",
    {
      class: "filters",
      role: "search",
      "aria-label": "Filter products",
      on: { submit: (event) => event.preventDefault() },
    },
    fields,
  );
  return { element, show };
}

/**
 * @param {Filter} name
 * @param {(name: Filter, control: Control) => void} typed
 */
function text(name, typed) {
  const control = h("input", {
    id: `filter-${name}`,
    type: "search",
    maxlength: CHARACTERS_MAX,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "Contains…",
  });
  control.addEventListener("input", () => typed(name, control));
  return control;
}

/**
 * @param {Filter} name
 * @param {Record<string, string>} options
 * @param {(name: Filter, control: Control) => void} chosen
 */
function choice(name, options, chosen) {
  const control = h(
    "select",
    { id: `filter-${name}` },
    Object.entries(options).map(([value, label]) => h("option", { value }, label)),
  );
  control.addEventListener("change", () => chosen(name, control));
  return control;
}
