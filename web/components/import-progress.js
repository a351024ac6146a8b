// The progress of an import: first the upload from this browser, then the work of the importer, then what it wrote.

import { h, setChildren, setText } from "../dom.js";
import { bytes, bytesPerSecond, count, counted, duration, percent } from "../format.js";
import { importBadge, importState, RUNNING } from "./status.js";

/** @import { Upload } from "../uploads.js" */

const WAITING =
  "Another tab or program may be uploading the file. If the upload was interrupted, cancel this import and choose the " +
  "file again.";
const RECEIVED = "The import will start shortly.";

/** Shows the progress of an import, and of its upload if that runs in this tab. */
export function importProgress() {
  const status = h("span", { role: "status" });
  const figure = h("span", { class: "figure" });
  const bar = h("progress", { max: 100, value: 0, "aria-label": "Progress" });
  const detail = h("p", { class: "hint figures progress-detail" }, " ");
  const element = h("div", { class: "progress" }, h("div", { class: "progress-head" }, status, figure), bar, detail);
  let shown = "";

  /**
   * @param {Api.Import} record
   * @param {Upload} [upload]
   */
  const show = (record, upload) => {
    const state = importState(record, upload);
    const label = `${state} ${record.summary}`;
    if (label !== shown) setChildren(status, importBadge(record, upload));
    shown = label;
    const part = upload && isSending(state) ? percentOf(upload.sentBytes, upload.size) : record.percent;
    bar.value = part;
    bar.hidden = !part && !["uploading", "processing"].includes(state);
    element.dataset.status = state;
    setText(figure, bar.hidden || state === "nothing_imported" ? "" : percent(part));
    setText(detail, detailOf(record, state, upload));
    detail.hidden = !detail.textContent;
  };
  return { element, show };
}

/** @param {string} state */
const isSending = (state) => state === "uploading" || state === "interrupted";

/**
 * @param {number} part
 * @param {number} whole
 */
const percentOf = (part, whole) => (whole ? Math.floor((1000 * part) / whole) / 10 : 0);

/**
 * @param {Api.Import} record
 * @param {string} state
 * @param {Upload} [upload]
 */
function detailOf(record, state, upload) {
  if (upload && isSending(state)) return uploadText(upload);
  if (state === "waiting") return WAITING;
  if (state === "received") return RECEIVED;
  if (RUNNING.has(record.status) || record.status === "completed") return importText(record);
  return writtenText(record);
}

/** @param {Upload} upload */
function uploadText({ state, sentBytes, size, rate }) {
  if (state === "interrupted") return sentBytes ? `Stopped after ${bytes(sentBytes)} of ${bytes(size)}` : "";
  if (sentBytes >= size) return `${bytes(size)} uploaded · waiting for confirmation`;
  const parts = [`${bytes(sentBytes)} of ${bytes(size)} uploaded`];
  if (rate) parts.push(bytesPerSecond(rate), `about ${duration(Math.ceil((size - sentBytes) / rate))} left`);
  return parts.join(" · ");
}

/** @param {Api.Import} record */
function importText(record) {
  const { done, total } = record.bytes;
  const hasEnded = record.finished_at !== null;
  if (!hasEnded && !record.rows.total) return `Reading the file of ${bytes(total)}`;
  const parts = [hasEnded ? `${bytes(total)} processed` : `${bytes(done)} of ${bytes(total)} processed`];
  if (record.rows_per_second)
    parts.push(`${count(record.rows_per_second)} rows per second${hasEnded ? " on average" : ""}`);
  if (record.eta_seconds !== null) parts.push(`about ${duration(record.eta_seconds)} left`);
  return parts.join(" · ");
}

/**
 * What an import that ended early wrote, and what it did not.
 *
 * @param {Api.Import} record
 */
function writtenText({ status, error, rows, percent: part }) {
  const written = rows.created + rows.updated;
  if (!written) return "Nothing was written.";
  const rest = `The other ${percent(100 - part)} of the file was not imported.`;
  const verb = written === 1 ? "was" : "were";
  if (error?.code === "products_deleted")
    return `${counted(written, "row")} ${verb} written first, then deleted with all other products. ${rest}`;
  const stay = written === 1 ? "it stays" : "they stay";
  const end = status === "failed" ? "it failed" : "it was cancelled";
  return `${counted(written, "row")} ${verb} written before ${end}; ${stay}. ${rest}`;
}
