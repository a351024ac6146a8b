// The progress of an import: first the upload from this browser, then the work of the importer.

import { h, setChildren, setText } from "../dom.js";
import { bytes, bytesPerSecond, count, duration, percent } from "../format.js";
import { statusBadge } from "./status.js";

/** @import { Upload } from "../uploads.js" */

const WAITING = "Waiting for the file. If its upload was interrupted, cancel this import and choose the file again.";
const RECEIVED = "File received. The import will start shortly.";

/** Shows the progress of an import, and of its upload if that runs in this tab. */
export function importProgress() {
  const status = h("span", { role: "status" });
  const figure = h("span", { class: "figure" });
  const bar = h("progress", { max: 100, value: 0, "aria-label": "Progress" });
  const detail = h("p", { class: "hint figures progress-detail" }, " ");
  const element = h("div", { class: "progress" }, h("div", { class: "progress-head" }, status, figure), bar, detail);
  let shownStatus = "";

  /**
   * @param {Api.Import} record
   * @param {Upload} [upload]
   */
  const show = (record, upload) => {
    const active = record.status === "pending" && isUnfinished(upload) ? upload : null;
    const state = active ? "uploading" : record.status;
    if (state !== shownStatus) setChildren(status, statusBadge(state));
    shownStatus = state;
    const part = active ? percentOf(active.sentBytes, active.size) : record.percent;
    bar.value = part;
    element.dataset.status = state;
    setText(figure, state === "pending" ? "" : percent(part));
    if (active) setText(detail, uploadText(active));
    else if (state === "pending") setText(detail, upload ? RECEIVED : WAITING);
    else setText(detail, importText(record));
  };
  return { element, show };
}

/**
 * @param {Upload} [upload]
 * @returns {upload is Upload}
 */
const isUnfinished = (upload) => upload?.state === "uploading" || upload?.state === "interrupted";

/**
 * @param {number} part
 * @param {number} whole
 */
const percentOf = (part, whole) => (whole ? Math.floor((1000 * part) / whole) / 10 : 0);

/** @param {Upload} upload */
function uploadText({ error, sentBytes, size, rate }) {
  if (error) return error.text;
  const parts = [`${bytes(sentBytes)} of ${bytes(size)} uploaded`];
  if (rate) parts.push(bytesPerSecond(rate), `about ${duration(Math.ceil((size - sentBytes) / rate))} left`);
  return parts.join(" · ");
}

/** @param {Api.Import} record */
function importText(record) {
  const ended = record.finished_at !== null;
  const { done, total } = record.bytes;
  const parts = [
    ended && record.status === "completed"
      ? `${bytes(total)} processed`
      : `${bytes(done)} of ${bytes(total)} processed`,
  ];
  if (record.rows_per_second)
    parts.push(`${count(record.rows_per_second)} rows per second${ended ? " on average" : ""}`);
  if (record.eta_seconds !== null) parts.push(`about ${duration(record.eta_seconds)} left`);
  return parts.join(" · ");
}
