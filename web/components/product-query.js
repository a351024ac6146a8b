// The state of the product list, and how the URL represents it.

import { count } from "../format.js";
import { SORTS } from "./product-filters.js";

/** @import { ListState } from "./product-filters.js" */

/** @type {ListState} */
const DEFAULTS = {
  sku: "",
  name: "",
  description: "",
  active: "",
  sort: Object.keys(SORTS)[0],
  limit: "50",
  cursor: "",
};

/**
 * The state that a URL describes. Unknown parameters are ignored.
 *
 * @param {URLSearchParams} query
 * @returns {ListState}
 */
export const stateFromQuery = (query) => ({
  ...DEFAULTS,
  ...Object.fromEntries([...query].filter(([name]) => Object.hasOwn(DEFAULTS, name))),
});

/**
 * The part of the state that the URL must contain.
 *
 * @param {ListState} state
 * @returns {Partial<ListState>}
 */
export const withoutDefaults = (state) =>
  Object.fromEntries(
    Object.entries(state).filter(([name, value]) => value !== DEFAULTS[/** @type {keyof ListState} */ (name)]),
  );

/**
 * Whether the API filters: it trims texts, and a blank one does not filter.
 *
 * @param {ListState} state
 */
export const isFiltered = (state) => Boolean(`${state.sku}${state.name}${state.description}`.trim() || state.active);

/**
 * The number of products, as exactly as the API knows it.
 *
 * @param {Pick<Api.Page<Api.ListedProduct>, "total" | "total_is_estimate">} page
 * @param {boolean} filtered
 */
export function totalText(page, filtered) {
  const isOne = page.total === 1;
  const noun = isOne ? "product" : "products";
  const verb = isOne ? " matches" : " match";
  return `${page.total_is_estimate ? "About " : ""}${count(page.total)} ${noun}${filtered ? verb : ""}`;
}
