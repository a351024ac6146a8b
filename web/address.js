// The address says what is shown: #/products?name=lamp. So Back works, and links can be shared.

/** `{path, query}` of the address as it is now. */
export function current() {
  const [path, search = ""] = location.hash.replace(/^#/, "").split("?");
  return { path: path || "/imports", query: new URLSearchParams(search) };
}

/** Parameters as a query; the empty ones are left out. */
export const queryOf = (parameters) =>
  new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined),
  );

/** A link to a page of this application. */
export function link(path, parameters = {}) {
  const query = queryOf(parameters);
  return `#${path}${query.size ? `?${query}` : ""}`;
}

/** Goes to another page. */
export function go(path, parameters) {
  location.hash = link(path, parameters);
}

/** Writes the page's state into the address without leaving it: as a step that Back undoes, or in the place of the last one. */
export function remember(path, parameters, { replace }) {
  const target = link(path, parameters);
  if (target !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", target);
}

/** The whole link, to be handed to somebody else. */
export const shareable = (path) => new URL(link(path), location.href).href;
