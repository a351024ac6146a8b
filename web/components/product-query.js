// What is asked for on the page of products, and how it stands in the address.

import { count } from "../format.js";
import { SORTS } from "./product-filters.js";

const DEFAULTS = { sku: "", name: "", description: "", active: "", sort: Object.keys(SORTS)[0], limit: "50" };

/** The state that an address describes. */
export const stateOf = (query) => ({
  ...DEFAULTS,
  cursor: "",
  ...Object.fromEntries([...query].filter(([name]) => name in DEFAULTS || name === "cursor")),
});

/** What of it must stand in the address. */
export const given = (state) =>
  Object.fromEntries(Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]));

export const isFiltered = (state) => Boolean(state.sku || state.name || state.description || state.active);

/** How many there are, as exactly as the API knows. */
export function totalText(page, filtered) {
  const one = page.total === 1;
  const what = filtered ? (one ? "product matches" : "products match") : one ? "product" : "products";
  const more = page.total_is_estimate ? "About " : "";
  return `${more}${count(page.total)} ${what}`;
}
