// The token of the signed-in user, kept for the session of this tab only.

const KEY = "product-importer-token";

/** Takes the token from the fragment of a start link, and removes it from the address bar. */
export function takeTokenFromLink() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found === null) return;
  if (found) storeToken(found);
  history.replaceState(null, "", location.pathname + location.search);
}

/** @param {string} value */
export const storeToken = (value) => sessionStorage.setItem(KEY, value);
export const clearToken = () => sessionStorage.removeItem(KEY);
export const token = () => sessionStorage.getItem(KEY);
