// Uploads from this tab to the file store. They continue while other pages are open, until the tab is closed.

import { ApiError, create, post } from "./api.js";

const RATE_MS = 3000;
const RATE_MS_MIN = 300;
/** @type {Map<string, Upload>} By the id of the import. */
const uploads = new Map();

/** @typedef {"uploading" | "uploaded" | "interrupted" | "cancelled"} UploadState */

addEventListener("beforeunload", (event) => {
  if ([...uploads.values()].some((each) => each.state === "uploading")) event.preventDefault();
});

/**
 * Registers an import and starts to upload its file. Resolves with the id of the import.
 *
 * @param {File} file
 * @param {string | null} encoding
 */
export async function startUpload(file, encoding) {
  /** @type {import("./api.js").ApiResponse<Api.NewImport>} */
  const { data } = await create("/api/imports", {
    filename: file.name,
    size_bytes: file.size,
    ...(encoding ? { encoding } : {}),
  });
  const upload = new Upload(data.id, file, data.upload);
  uploads.set(data.id, upload);
  upload.send();
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
  /** @type {ApiError | null} */
  error = null;
  sentBytes = 0;
  /** @type {{ at: number, bytes: number }[]} */
  #samples = [];
  #request = new XMLHttpRequest();

  /**
   * @param {string} id
   * @param {File} file
   * @param {Api.UploadLink} link
   */
  constructor(id, file, link) {
    super();
    this.id = id;
    this.file = file;
    this.link = link;
    this.size = file.size;
  }

  /** Bytes per second over the last few seconds, or null before enough is known. */
  get rate() {
    const [first, last] = [this.#samples.at(0), this.#samples.at(-1)];
    if (!first || !last || last.at - first.at <= RATE_MS_MIN || last.bytes <= first.bytes) return null;
    return (1000 * (last.bytes - first.bytes)) / (last.at - first.at);
  }

  /** Starts the upload, or starts it again. Uses XMLHttpRequest, because fetch does not report upload progress. */
  send() {
    this.state = "uploading";
    this.error = null;
    this.sentBytes = 0;
    this.#samples = [{ at: performance.now(), bytes: 0 }];
    const request = new XMLHttpRequest();
    this.#request = request;
    request.open(this.link.method, this.link.url);
    for (const [name, value] of Object.entries(this.link.headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => this.#progress(event.loaded));
    // 412: the file is already there, so the last attempt lost only the response.
    request.addEventListener("load", () =>
      request.status < 300 || request.status === 412
        ? this.#finish("uploaded")
        : this.#finish("interrupted", refusal(request.status)),
    );
    request.addEventListener("error", () =>
      this.#finish("interrupted", new ApiError(0, "Upload interrupted. Check your connection, then retry the upload.")),
    );
    request.send(this.file);
    this.#notify();
  }

  /** Cancels the upload and its import. */
  async cancel() {
    this.#request.abort();
    this.#finish("cancelled");
    await post(`/api/imports/${this.id}/cancel`);
  }

  /** @param {number} bytes */
  #progress(bytes) {
    this.sentBytes = bytes;
    const at = performance.now();
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && at - this.#samples[0].at > RATE_MS) this.#samples.shift();
    this.#notify();
  }

  /**
   * @param {UploadState} state
   * @param {ApiError | null} error
   */
  #finish(state, error = null) {
    this.state = state;
    this.error = error;
    if (state === "cancelled") uploads.delete(this.id);
    this.#notify();
  }

  #notify() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {number} status */
function refusal(status) {
  const isFinal = status === 403;
  const text = isFinal
    ? "The file has changed since you chose it, or the upload link has expired. Start a new import."
    : "The file store refused the upload. Retry it.";
  return new ApiError(status, text);
}
