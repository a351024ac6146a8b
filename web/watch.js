// Reads something that runs again and again, until it has ended.

import { get } from "./api.js";

const WAIT_MS_MAX = 10_000;

/**
 * Reads `path` until `ended(data)`; `show(data)` is called with every answer that differs from the one before. It waits as
 * long as the server asks for. A failure that passes is told to `lost(error)`, then `lost(null)` when it is over, and
 * reading goes on; others are thrown. Returns the last answer's data, or null once `signal` is aborted. `read` answers as
 * `get` does, for whoever must read more than that one path to know how things are.
 */
export async function watch(path, { signal, show, ended = () => false, lost = () => {}, read = get }) {
  let etag = null;
  let failures = 0;
  while (!signal.aborted) {
    try {
      const answer = await read(path, { signal });
      if (failures) lost(null);
      failures = 0;
      if (answer.etag === null || answer.etag !== etag) await show(answer.data);
      etag = answer.etag;
      if (ended(answer.data)) return answer.data;
      await pause(1000 * Math.max(answer.retryAfter, 0.5), signal);
    } catch (error) {
      if (signal.aborted) return null;
      if (!error.passes) throw error;
      lost(error);
      await pause(Math.min(500 * 2 ** failures++, WAIT_MS_MAX), signal);
    }
  }
  return null;
}

/** Waits; a connection that comes back, and an abort, end it early. */
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
