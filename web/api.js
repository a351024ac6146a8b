// Calls the HTTP API. Every failure becomes an ApiError whose message can be shown to the user.

import { noteAccepted, noteRefused, token } from "./session.js";

const RESPONSE_MS_MAX = 40_000;
const UNREACHABLE = "Can't reach the server.";
const TOO_SLOW = "The server took too long to respond.";

/** @typedef {{ body?: unknown, headers?: Record<string, string>, signal?: AbortSignal }} Options */

/**
 * `data` is null where there is no body; `retryAfter` is in seconds.
 *
 * @template Data
 * @typedef {{ data: Data, etag: string | null, location: string | null, retryAfter: number }} ApiResponse
 */

/** A response that is not a success, or a missing one (status 0). `retryAfter` is in seconds; 0 if there is none. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   * @param {Api.Problem} problem
   * @param {number} retryAfter
   */
  constructor(status, message, problem = {}, retryAfter = 0) {
    super(message);
    this.status = status;
    this.code = problem.code ?? "";
    this.errors = problem.errors ?? [];
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed a little later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** The message with the status. */
  get text() {
    if (this.status === 401) return "You're signed out. Sign in again in another tab, then come back and try again.";
    return this.status ? `${this.message} (HTTP ${this.status})` : this.message;
  }
}

/**
 * @template Data
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<ApiResponse<Data>>}
 */
export const get = (path, options) => call("GET", path, options);

/**
 * @template Data
 * @param {string} path
 * @param {unknown} [body]
 * @param {Options} [options]
 * @returns {Promise<ApiResponse<Data>>}
 */
export const post = (path, body, options) => call("POST", path, { body, ...options });

/**
 * @template Data
 * @param {string} path
 * @param {unknown} body
 * @param {Options} [options]
 * @returns {Promise<ApiResponse<Data>>}
 */
export const patch = (path, body, options) => call("PATCH", path, { body, ...options });

/**
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<ApiResponse<null>>}
 */
export const remove = (path, options) => call("DELETE", path, options);

/**
 * A POST that creates something. Its idempotency key makes it safe to repeat after a lost response.
 *
 * @template Data
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<ApiResponse<Data>>}
 */
export const create = (path, body) => post(path, body, { headers: { "Idempotency-Key": crypto.randomUUID() } });

/**
 * Follows the redirect to a file in the store.
 *
 * @param {string} path
 */
export const download = async (path) => (await send("GET", path)).blob();

/**
 * Whether the server accepts a token. Without a response, it may.
 *
 * @param {string} tried
 */
export async function isAccepted(tried) {
  const response = await request("GET", "/api/imports?limit=1", tried).catch(() => null);
  return response?.status !== 401;
}

/**
 * @template Data
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<ApiResponse<Data>>}
 */
async function call(method, path, options) {
  const response = await send(method, path, options);
  return {
    data: response.status === 204 ? null : await response.json(),
    etag: response.headers.get("ETag"),
    location: response.headers.get("Location"),
    retryAfter: retryAfterOf(response),
  };
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 */
async function send(method, path, options) {
  const used = token() ?? "";
  let response = await request(method, path, used, options);
  if (response.status === 401 && used) noteRefused(used);
  const newer = token();
  // The user has signed in again in the meantime, perhaps in another tab.
  if (response.status === 401 && newer && newer !== used) response = await request(method, path, newer, options);
  if (!response.ok) throw await failure(response);
  noteAccepted(used);
  return response;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {string} used The token.
 * @param {Options} [options]
 */
async function request(method, path, used, { body, headers = {}, signal } = {}) {
  /** @type {Record<string, string>} */
  const all = { Authorization: `Bearer ${used}`, ...headers };
  if (body !== undefined) all["Content-Type"] = "application/json";
  const timeout = AbortSignal.timeout(RESPONSE_MS_MAX);
  const isSent = navigator.onLine; // Or may have been.
  try {
    const response = await fetch(path, {
      method,
      headers: all,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    dispatchEvent(new Event("answered"));
    return response;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, noAnswer(method, error, isSent));
  }
}

/**
 * What the user has to know when there is no response: whether a change may have been carried out.
 *
 * @param {string} method
 * @param {unknown} error
 * @param {boolean} isSent
 */
function noAnswer(method, error, isSent) {
  const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
  const text = isTimeout ? TOO_SLOW : UNREACHABLE;
  if (method === "GET") return `${text} ${isTimeout ? "Try again." : "Check your connection."}`;
  if (!isSent) return "You're offline. Nothing was changed. Try again once you're back online.";
  return `${text} Your change may not have been made. Check before you try again.`;
}

/** @param {Response} response */
async function failure(response) {
  const problem = /** @type {Api.Problem} */ (await response.json().catch(() => ({})));
  const message = problem.detail ?? `The server returned ${response.status} ${response.statusText}.`;
  return new ApiError(response.status, message, problem, retryAfterOf(response));
}

/** @param {Response} response */
const retryAfterOf = (response) => Number(response.headers.get("Retry-After")) || 0;
