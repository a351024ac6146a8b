// How far an import is: first the upload from this browser, then the work of the importer.

import { h, refill, setText } from "../dom.js";
import { bytes, bytesPerSecond, count, duration, percent } from "../format.js";
import { statusBadge } from "./status.js";

const NOT_HERE = "Waiting for the file. If its upload was interrupted, cancel this import and choose the file again.";
const ARRIVED = "File received. The import will start shortly.";
const UPLOADING = new Set(["sending", "broken"]);

/** `{element, show(import, upload)}`; `upload` is this tab's, if it makes one. */
export function importProgress() {
  const status = h("span", { role: "status" });
  const figure = h("span", { class: "figure" });
  const bar = h("progress", { max: 100, value: 0, "aria-label": "Progress" });
  const detail = h("p", { class: "hint figures progress-detail" }, " ");
  const element = h("div", { class: "progress" }, h("div", { class: "progress-head" }, status, figure), bar, detail);
  let shownStatus = "";

  const show = (found, upload) => {
    const state = found.status === "pending" && UPLOADING.has(upload?.state) ? "uploading" : found.status;
    if (state !== shownStatus) refill(status, statusBadge(state));
    shownStatus = state;
    const part = state === "uploading" ? share(upload.sent, upload.size) : found.percent;
    bar.value = part;
    element.dataset.status = state;
    setText(figure, state === "pending" ? "" : percent(part));
    setText(
      detail,
      state === "uploading" ? sending(upload) : state === "pending" ? (upload ? ARRIVED : NOT_HERE) : working(found),
    );
  };
  return { element, show };
}

const share = (part, whole) => (whole ? Math.floor((1000 * part) / whole) / 10 : 0);

function sending(upload) {
  if (upload.state === "broken") return upload.error.text;
  const parts = [`${bytes(upload.sent)} of ${bytes(upload.size)} uploaded`];
  if (upload.rate)
    parts.push(
      bytesPerSecond(upload.rate),
      `about ${duration(Math.ceil((upload.size - upload.sent) / upload.rate))} left`,
    );
  return parts.join(" · ");
}

function working(found) {
  const ended = found.finished_at !== null;
  const parts = [
    ended && found.status === "completed"
      ? `${bytes(found.bytes.total)} processed`
      : `${bytes(found.bytes.done)} of ${bytes(found.bytes.total)} processed`,
  ];
  if (found.rows_per_second) parts.push(`${count(found.rows_per_second)} rows per second${ended ? " on average" : ""}`);
  if (found.eta_seconds !== null) parts.push(`about ${duration(found.eta_seconds)} left`);
  return parts.join(" · ");
}
