// The HTTP API. Every failure becomes an ApiError whose message can be shown as it is.

import { token } from "./session.js";

const ANSWER_MS_MAX = 40_000;
const NO_ANSWER = "Can't reach the server. Check your connection.";
const TOO_SLOW = "The server took too long to respond. Try again.";

/**
 * An answer that is not a success, or none at all (status 0). `errors` point at fields, `problem` is the whole document
 * that came with it.
 */
export class ApiError extends Error {
  constructor(status, message, problem = {}) {
    super(message);
    this.status = status;
    this.code = problem.code ?? "";
    this.errors = problem.errors ?? [];
    this.problem = problem;
  }

  /** Whether the same request may well succeed a little later. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** The message with everything that is wrong with the request, and the status as it is. */
  get text() {
    const details = this.errors.map((each) => ` ${each.pointer.replace(/^\//, "")}: ${each.message}.`).join("");
    return this.status ? `${this.message}${details} (HTTP ${this.status})` : this.message;
  }
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { body, ...options });
export const patch = (path, body, options) => call("PATCH", path, { body, ...options });
export const remove = (path, options) => call("DELETE", path, options);

/** A POST that creates: with a key, so that it can be sent again after a lost answer without being carried out twice. */
export const create = (path, body, key = crypto.randomUUID()) =>
  post(path, body, { headers: { "Idempotency-Key": key } });

/** Follows the redirect to a file in the store. */
export const download = (path) => send("GET", path).then((answer) => answer.blob());

/** `{data, etag, location, retryAfter}`; data is null where there is no body. */
async function call(method, path, options) {
  const answer = await send(method, path, options);
  return {
    data: answer.status === 204 ? null : await answer.json(),
    etag: answer.headers.get("ETag"),
    location: answer.headers.get("Location"),
    retryAfter: Number(answer.headers.get("Retry-After") ?? 0),
  };
}

async function send(method, path, { body, headers = {}, signal } = {}) {
  const all = { Authorization: `Bearer ${token() ?? ""}`, ...headers };
  if (body !== undefined) all["Content-Type"] = "application/json";
  const limit = AbortSignal.timeout(ANSWER_MS_MAX);
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: all,
      body: body && JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, error.name === "TimeoutError" ? TOO_SLOW : NO_ANSWER);
  }
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function failure(answer) {
  const problem = await answer.json().catch(() => ({}));
  const error = new ApiError(
    answer.status,
    problem.detail ?? `The server returned ${answer.status} ${answer.statusText}.`,
    problem,
  );
  // Whoever shows the page hears of it, wherever the request came from.
  if (error.status === 401) dispatchEvent(new Event("signed-out"));
  return error;
}
