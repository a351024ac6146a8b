// The filters above the products. What is typed is asked for once the typing stops.

import { h } from "../dom.js";

const WAIT_MS = 300;
const CHARACTERS_MAX = 255;
export const SORTS = { "-id": "Newest first", id: "Oldest first", sku: "SKU, A to Z", "-sku": "SKU, Z to A" };
const ACTIVE = { "": "All", true: "Active", false: "Not active" };
const SIZES = { 20: "20 rows", 50: "50 rows", 100: "100 rows", 200: "200 rows" };

/** `{element, show(state)}`. `onChange(changes, field)` hears of every change; field is null for a choice. */
export function productFilters(state, onChange) {
  const controls = {
    sku: text("sku", "SKU", onChange),
    name: text("name", "Name", onChange),
    description: text("description", "Description", onChange),
    active: choice("active", "Active", ACTIVE, onChange),
    sort: choice("sort", "Order", SORTS, onChange),
    limit: choice("limit", "Page size", SIZES, onChange),
  };
  const show = (shown) => {
    for (const [name, { control }] of Object.entries(controls)) control.value = shown[name];
  };
  show(state);
  return { element: h("form", { class: "filters", role: "search", "aria-label": "Filter products", on: { submit: (event) => event.preventDefault() } }, Object.values(controls).map(({ element }) => element)), show };
}

function text(name, label, onChange) {
  const control = h("input", { id: `filter-${name}`, type: "search", maxlength: CHARACTERS_MAX, autocomplete: "off", spellcheck: "false", placeholder: "contains …" });
  let timer;
  control.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => control.isConnected && onChange({ [name]: control.value }, name), WAIT_MS);
  });
  return { control, element: labelled(control, label) };
}

function choice(name, label, options, onChange) {
  const keys = name === "sort" ? Object.keys(SORTS) : Object.keys(options);
  const control = h("select", { id: `filter-${name}` }, keys.map((value) => h("option", { value }, options[value])));
  control.addEventListener("change", () => onChange({ [name]: control.value }, null));
  return { control, element: labelled(control, label) };
}

const labelled = (control, label) => h("div", { class: "filter" }, h("label", { for: control.id }, label), control);
