// Polls the API until what it reads has ended.

import { ApiError, get } from "./api.js";

const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 10_000;

/**
 * @template Data
 * @typedef {{ data: Data, etag: string | null, retryAfter: number }} Reading
 */

/**
 * Reads `path` until `isDone(data)`, waiting between reads as long as the server asks for, and calls `show(data)` for
 * every response that differs from the one before.
 *
 * A temporary failure is passed to `onOutage(error)`, and `onOutage(null)` follows when it is over; other failures are
 * thrown. Returns the last data, or null once `signal` is aborted. `read` replaces `get` where one path is not enough.
 *
 * @template Data
 * @param {string} path
 * @param {{
 *   signal: AbortSignal,
 *   show?: (data: Data) => unknown,
 *   isDone?: (data: Data) => boolean,
 *   onOutage?: (error: ApiError | null) => void,
 *   read?: (path: string, options: { signal: AbortSignal }) => Promise<Reading<Data>>,
 * }} options
 */
export async function watch(path, { signal, show = () => {}, isDone = () => false, onOutage = () => {}, read = get }) {
  let etag = null;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const response = await read(path, { signal });
      if (failures) onOutage(null);
      failures = 0;
      if (response.etag === null || response.etag !== etag) await show(response.data);
      etag = response.etag;
      if (isDone(response.data)) return response.data;
      await pause(Math.max(1000 * response.retryAfter, WAIT_MS_MIN), signal);
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof ApiError && error.isTemporary)) throw error;
      onOutage(error);
      await pause(Math.max(Math.min(WAIT_MS_MIN * 2 ** failures++, WAIT_MS_MAX), 1000 * error.retryAfter), signal);
    }
  }
  return null;
}

/**
 * Waits. A restored connection or an abort ends the wait early.
 *
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = new AbortController();
    const end = () => {
      done.abort();
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end, { signal: done.signal });
    signal.addEventListener("abort", end, { signal: done.signal });
  });
}
