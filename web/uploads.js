// Files on their way from this tab to the store. They go on while other pages are looked at, but not when the tab is closed.

import { ApiError, create, post } from "./api.js";

const RATE_MS = 3000;
const uploads = new Map(); // by the id of their import

addEventListener("beforeunload", (event) => {
  if ([...uploads.values()].some((each) => each.state === "sending")) event.preventDefault();
});

/** Registers the file and starts to send it. Resolves with the id of its import. */
export async function startUpload(file, encoding) {
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

/** The upload of an import, if this tab makes it. */
export const uploadOf = (id) => uploads.get(id);

/** One file. Sends "change" whenever something about it is new; `state` is sending, sent, broken or stopped. */
export class Upload extends EventTarget {
  constructor(id, file, link) {
    super();
    this.id = id;
    this.file = file;
    this.link = link;
    this.size = file.size;
    this.begin();
  }

  begin() {
    this.state = "sending";
    this.error = null;
    this.sent = 0;
    this.marks = [[performance.now(), 0]];
  }

  /** Bytes per second over the last moments, null before there is anything to tell. */
  get rate() {
    const [[since, from]] = this.marks;
    const [until, to] = this.marks.at(-1);
    return until - since > 300 && to > from ? (1000 * (to - from)) / (until - since) : null;
  }

  /** XMLHttpRequest, because fetch tells nothing of an upload's progress. */
  send() {
    this.begin();
    const request = new XMLHttpRequest();
    this.request = request;
    request.open(this.link.method, this.link.url);
    for (const [name, value] of Object.entries(this.link.headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => this.note(event.loaded));
    // 412: it is there already, so what broke off the last time was only the answer.
    request.addEventListener("load", () =>
      request.status < 300 || request.status === 412 ? this.end("sent") : this.end("broken", refusal(request.status)),
    );
    request.addEventListener("error", () =>
      this.end("broken", new ApiError(0, "Upload interrupted. Check your connection, then retry the upload.")),
    );
    request.send(this.file);
    this.tell();
  }

  /** Ends the upload and its import. */
  async cancel() {
    this.request.abort();
    this.end("stopped");
    await post(`/api/imports/${this.id}/cancel`);
  }

  note(sent) {
    this.sent = sent;
    const now = performance.now();
    this.marks.push([now, sent]);
    while (this.marks.length > 2 && now - this.marks[0][0] > RATE_MS) this.marks.shift();
    this.tell();
  }

  end(state, error = null) {
    this.state = state;
    this.error = error;
    if (state === "stopped") uploads.delete(this.id);
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

function refusal(status) {
  return new ApiError(
    status,
    status === 403
      ? "The upload was refused: the file has changed since you chose it, or the upload link has expired. Start a new import."
      : "The upload was refused. Retry it.",
  );
}
