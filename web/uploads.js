// Uploads from this tab to the file store. They continue while other pages are open, until the tab is closed.

import { ApiError, post } from "./api.js";
import { changedText, isReadable } from "./file-head.js";

const RATE_MS = 3000;
const RATE_MS_MIN = 300;
const STALLED_MS_MAX = 120_000; // An upload that makes no progress for this long counts as interrupted.
const RESUMES_MAX = 5; // Automatic attempts after the connection was lost. The waits before them double.
const RESUME_MS_MIN = 1000;
const REGISTRATION_MS_MAX = 20 * 3600_000; // After this, the idempotency key might create a second import.

const OFFLINE = "You're offline. The upload starts again by itself when the connection is back.";
const BROKEN = "The connection to the file store was lost.";
const UNREACHABLE = "Can't reach the server.";
const STALLED = "Nothing could be sent for two minutes.";
const OLD = "This import was created too long ago. Cancel it, then choose the file again.";
const REFUSED =
  "The file store refused the upload: its link has expired, or the file has changed since you chose it. Retry the " +
  "upload. If that fails, cancel this import and choose the file again.";

/** @type {Map<string, Upload>} By the id of the import. */
const uploads = new Map();

/**
 * - `interrupted`: nothing is being sent; `reason` says why, and `retry` starts again
 * - `changed`: the file has changed on disk, so the upload can never finish; its import is cancelled
 *
 * @typedef {"uploading" | "interrupted" | "changed" | "uploaded" | "cancelled"} UploadState
 */

addEventListener("beforeunload", (event) => {
  if ([...uploads.values()].some((each) => each.isRunning)) event.preventDefault();
});
addEventListener("online", () => {
  for (const each of uploads.values()) if (each.hasLostConnection) each.retry();
});

/**
 * Registers an import and starts to upload its file. Resolves with the id of the import.
 *
 * @param {File} file
 * @param {string | null} encoding
 */
export async function startUpload(file, encoding) {
  const body = { filename: file.name, size_bytes: file.size, ...(encoding ? { encoding } : {}) };
  // With the same key, the API returns the same import, and a fresh link while the import waits for its file.
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  /** @type {() => Promise<import("./api.js").ApiResponse<Api.NewImport>>} */
  const register = () => post("/api/imports", body, { headers });
  const { data } = await register();
  const upload = new Upload(data.id, file, register);
  uploads.set(data.id, upload);
  upload.send(data.upload);
  return data.id;
}

/**
 * The upload of an import, if it started in this tab.
 *
 * @param {string} id
 */
export const uploadOf = (id) => uploads.get(id);

/** The upload of one file. Dispatches "change" whenever its state or progress changes. */
export class Upload extends EventTarget {
  /** @type {UploadState} */
  state = "uploading";
  reason = "";
  sentBytes = 0;
  hasLostConnection = false;
  /** @type {{ at: number, bytes: number }[]} */
  #samples = [];
  #request = new XMLHttpRequest();
  #createdAt = Date.now();
  #resumes = 0;
  #timer = 0; // While it runs: until it has stalled. While it is interrupted: until it is resumed.
  #register;

  /**
   * @param {string} id
   * @param {File} file
   * @param {() => Promise<{ data: Api.NewImport }>} register Registers the import again, for a fresh link.
   */
  constructor(id, file, register) {
    super();
    this.id = id;
    this.file = file;
    this.size = file.size;
    this.#register = register;
  }

  get isRunning() {
    return this.state === "uploading";
  }

  /** Bytes per second over the last few seconds, or null before enough is known. */
  get rate() {
    const [first, last] = [this.#samples.at(0), this.#samples.at(-1)];
    if (!first || !last || last.at - first.at <= RATE_MS_MIN || last.bytes <= first.bytes) return null;
    return (1000 * (last.bytes - first.bytes)) / (last.at - first.at);
  }

  /**
   * Sends the file to a link. Without a link, the import has its file or has ended. Uses XMLHttpRequest, because fetch
   * does not report upload progress.
   *
   * @param {Api.UploadLink | null} link
   */
  send(link) {
    if (!link) return this.#set("uploaded");
    const request = new XMLHttpRequest();
    this.#request = request;
    request.open(link.method, link.url);
    for (const [name, value] of Object.entries(link.headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => this.#progress(event.loaded));
    request.addEventListener("load", () => this.#receive(request));
    request.addEventListener("error", () => this.#interrupt(BROKEN));
    request.send(this.file);
    this.#begin();
  }

  /** Starts an interrupted upload again, with a fresh link. */
  retry() {
    this.#resumes = 0;
    return this.#resume();
  }

  /** Cancels the upload and its import. */
  async cancel() {
    this.#request.abort();
    this.#set("cancelled");
    await post(`/api/imports/${this.id}/cancel`);
  }

  /** Stops an upload that no longer matters to its import. */
  stop() {
    if (!this.isRunning && this.state !== "interrupted") return;
    this.#request.abort();
    this.#set("cancelled");
  }

  /** @param {XMLHttpRequest} request */
  #receive(request) {
    const { status } = request;
    // 412: the file is already there, so an earlier attempt lost only the response.
    if (status < 300 || status === 412) this.#confirm();
    else if (status >= 500) this.#interrupt(refusal(request));
    else this.#set("interrupted", status === 403 ? REFUSED : `${refusal(request)} Retry the upload.`);
  }

  async #confirm() {
    this.#set("uploaded");
    // Browsers look at the file when they begin to send it, so they may send a mixture of two versions of it.
    if (await isReadable(this.file)) return;
    this.#set(
      "uploaded",
      `${this.file.name} changed on disk while it was uploaded. Check the result, or import it again.`,
    );
  }

  async #resume() {
    if (this.state !== "interrupted") return;
    this.#begin();
    try {
      if (Date.now() - this.#createdAt > REGISTRATION_MS_MAX) return this.#set("interrupted", OLD);
      const { data } = await this.#register();
      if (this.isRunning) this.send(data.upload);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.isTemporary) await this.#interrupt(error.status === 0 ? UNREACHABLE : error.text);
      else this.#set("interrupted", error.text);
    }
  }

  /**
   * Decides what a failed request means: browsers report a changed file and a lost connection with the same event.
   *
   * @param {string} reason
   */
  async #interrupt(reason) {
    const hasChanged = !(await isReadable(this.file));
    if (!this.isRunning) return;
    if (hasChanged) return this.#discard();
    const isLast = this.#resumes >= RESUMES_MAX;
    const next = isLast ? "Check your connection, then retry the upload." : "Retrying automatically.";
    this.#set("interrupted", navigator.onLine ? `${reason} ${next}` : OFFLINE);
    this.hasLostConnection = true;
    if (navigator.onLine && !isLast)
      this.#timer = setTimeout(() => this.#resume(), RESUME_MS_MIN * 2 ** this.#resumes++);
  }

  async #discard() {
    this.#set("changed", changedText(this.file.name));
    // If this fails, the import ends when its upload link has expired.
    await post(`/api/imports/${this.id}/cancel`).catch(() => {});
  }

  #begin() {
    this.#samples = [{ at: performance.now(), bytes: 0 }];
    this.sentBytes = 0;
    this.#set("uploading");
  }

  /** @param {number} bytes */
  #progress(bytes) {
    this.sentBytes = bytes;
    const at = performance.now();
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - this.#samples[0].at > RATE_MS) this.#samples.shift();
    this.#expectProgress();
    this.#notify();
  }

  #expectProgress() {
    clearTimeout(this.#timer);
    if (!this.isRunning) return;
    this.#timer = setTimeout(() => {
      this.#request.abort();
      this.#interrupt(STALLED);
    }, STALLED_MS_MAX);
  }

  /**
   * @param {UploadState} state
   * @param {string} reason
   */
  #set(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.hasLostConnection = false;
    this.#expectProgress();
    if (state === "cancelled") uploads.delete(this.id);
    this.#notify();
  }

  #notify() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {XMLHttpRequest} request */
function refusal({ status, responseText }) {
  const code = /<Code>(\w{1,60})<\/Code>/.exec(responseText)?.[1];
  return `The file store refused the file (HTTP ${status}${code ? `, ${code}` : ""}).`;
}
