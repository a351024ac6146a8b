// Who is signed in: a token, kept for the session of this tab and nowhere else.

const KEY = "product-importer-token";

/** The start link carries the token in its fragment: it is kept, and removed from the address bar. */
export function takeTokenFromLink() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found === null) return;
  if (found) keepToken(found);
  history.replaceState(null, "", location.pathname + location.search);
}

export const keepToken = (token) => sessionStorage.setItem(KEY, token);
export const forgetToken = () => sessionStorage.removeItem(KEY);
export const token = () => sessionStorage.getItem(KEY);
