// The HTTP API. Every failure becomes an ApiError whose message can be shown as it is.

const KEY = "product-importer-token";

/** An answer that is not a success, or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The start link carries the token in its fragment: kept for the session, removed from the address bar. */
export function takeTokenFromLink() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!found) return;
  sessionStorage.setItem(KEY, found);
  history.replaceState(null, "", location.pathname + location.search);
}

export const keepToken = (token) => sessionStorage.setItem(KEY, token);
export const forgetToken = () => sessionStorage.removeItem(KEY);
export const hasToken = () => sessionStorage.getItem(KEY) !== null;

export const get = (path) => call("GET", path).then((answer) => answer.json());
export const post = (path, body) => call("POST", path, body).then((answer) => answer.json());
export const download = (path) => call("GET", path).then((answer) => answer.blob());

async function call(method, path, body) {
  const headers = { Authorization: `Bearer ${sessionStorage.getItem(KEY)}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new ApiError(0, "The server cannot be reached. Is it running?");
  }
  if (!answer.ok) throw new ApiError(answer.status, await problemText(answer));
  return answer;
}

async function problemText(answer) {
  try {
    const problem = await answer.json();
    return [problem.detail, ...problem.errors.map((each) => `${each.pointer}: ${each.message}`)].join(" ");
  } catch {
    return `The server answered ${answer.status}.`;
  }
}
