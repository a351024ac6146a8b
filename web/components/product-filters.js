// The filters above the products. What is typed is asked for once the typing stops.

import { h } from "../dom.js";
import { LABELS as PRODUCT } from "./product-labels.js";

const WAIT_MS = 300;
const CHARACTERS_MAX = 255;
export const SORTS = { "-id": "Newest first", id: "Oldest first", sku: "SKU, A to Z", "-sku": "SKU, Z to A" };
const LABELS = { ...PRODUCT, sort: "Sort by", limit: "Page size" };
const ACTIVE = { "": "All", true: "Active", false: "Inactive" };
const SIZES = { 20: "20 rows", 50: "50 rows", 100: "100 rows", 200: "200 rows" };

/** `{element, show(state)}`. `onChange(changes, field)` hears of every change; field is the one that was typed into, null after a choice. */
export function productFilters(state, onChange) {
  let changes = {};
  let timer;
  const send = (field) => {
    clearTimeout(timer);
    const sent = changes;
    changes = {};
    onChange(sent, field);
  };
  // A choice sends what was typed just before it, too, so that nothing is asked for with one half of the filters.
  const chosen = (name, value) => {
    changes[name] = value;
    send(null);
  };
  const typed = (name, control) => {
    changes[name] = control.value;
    clearTimeout(timer);
    timer = setTimeout(() => control.isConnected && send(name), WAIT_MS);
  };
  const controls = {
    sku: text("sku", typed),
    name: text("name", typed),
    description: text("description", typed),
    active: choice("active", ACTIVE, chosen),
    sort: choice("sort", SORTS, chosen),
    limit: choice("limit", SIZES, chosen),
  };
  const show = (shown) => {
    for (const [name, control] of Object.entries(controls)) control.value = shown[name];
  };
  show(state);
  const fields = Object.entries(controls).map(([name, control]) =>
    h("div", { class: "filter" }, h("label", { for: control.id }, LABELS[name]), control),
  );
  return {
    element: h(
      "form",
      {
        class: "filters",
        role: "search",
        "aria-label": "Filter products",
        on: { submit: (event) => event.preventDefault() },
      },
      fields,
    ),
    show,
  };
}

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

function choice(name, options, chosen) {
  const control = h(
    "select",
    { id: `filter-${name}` },
    Object.entries(options).map(([value, label]) => h("option", { value }, label)),
  );
  control.addEventListener("change", () => chosen(name, control.value));
  return control;
}
