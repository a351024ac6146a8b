// The URL says what the page shows, as in #/products?name=lamp, so Back works and links can be shared.

/** @typedef {Record<string, string | number | null | undefined>} Parameters */

const LISTS = ["imports", "products", "webhooks", "tokens"];

/** The path and query of the current URL. */
export function currentRoute() {
  const [path, search = ""] = location.hash.replace(/^#/, "").split("?");
  return { path: path || `/${LISTS[0]}`, query: new URLSearchParams(search) };
}

/**
 * Parameters as a query string. Empty ones are left out.
 *
 * @param {Parameters} parameters
 */
export function toQuery(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== "" && value !== null && value !== undefined) query.append(name, String(value));
  return query;
}

/**
 * The list that a path belongs to: its path and its name.
 *
 * @param {string} path
 */
export function listOf(path) {
  const name = path.split("/")[1];
  const found = LISTS.includes(name) ? name : LISTS[0];
  return { path: `/${found}`, name: found };
}

/**
 * A link to a page of this application.
 *
 * @param {string} path
 * @param {Parameters} parameters
 */
export function link(path, parameters = {}) {
  const query = toQuery(parameters);
  return `#${path}${query.size ? `?${query}` : ""}`;
}

/**
 * Opens another page.
 *
 * @param {string} path
 */
export function navigate(path) {
  location.hash = link(path);
}

/**
 * Writes the state of the page into the URL without leaving the page, either as a new history entry or in place of the
 * current one.
 *
 * @param {string} path
 * @param {Parameters} parameters
 * @param {{ replace: boolean }} options
 */
export function updateUrl(path, parameters, { replace }) {
  const target = link(path, parameters);
  if (target !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", target);
}

/**
 * A link that works outside this page.
 *
 * @param {string} path
 */
export const absoluteLink = (path) => new URL(link(path), location.href).href;
