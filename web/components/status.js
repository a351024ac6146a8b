// A status as a label with its own icon, so that colour is never the only difference.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** @import { Upload } from "../uploads.js" */

/** @type {Record<string, [import("./icons.js").IconName, string]>} */
const KINDS = {
  waiting: ["clock", "Waiting for the file"],
  uploading: ["upload", "Uploading"],
  interrupted: ["warning", "Upload interrupted"],
  changed: ["warning", "File changed"],
  received: ["clock", "File received"],
  pending: ["clock", "Pending"],
  processing: ["running", "Processing"],
  completed: ["check", "Completed"],
  completed_with_rejected_rows: ["warning", "Completed with rejected rows"],
  nothing_imported: ["warning", "Nothing was imported"],
  failed: ["cross", "Failed"],
  cancelled: ["stop", "Cancelled"],
  ignored: ["stop", "Ignored"],
  delivered: ["check", "Delivered"],
};

/**
 * @param {string} status
 * @param {string | null} label Replaces the usual label of the status.
 */
export function statusBadge(status, label = null) {
  const [symbol, usual] = KINDS[status] ?? ["clock", status];
  return h("span", { class: "status", data: { status } }, icon(symbol), h("span", {}, label ?? usual));
}

/**
 * @param {Api.Import} record
 * @param {Upload} [upload] Its upload, if that started in this tab.
 */
export const importBadge = (record, upload) => statusBadge(importState(record, upload), record.summary);

/**
 * What an import is doing, or how it ended. While it waits for its file, only the tab with its upload knows more.
 *
 * @param {Api.Import} record
 * @param {Upload} [upload]
 */
export function importState({ status, outcome }, upload) {
  if (outcome) return outcome;
  if (status !== "pending") return status;
  if (upload?.state === "uploaded") return "received";
  return !upload || upload.state === "cancelled" ? "waiting" : upload.state;
}

/** The statuses of an import or a job that has not ended. */
export const RUNNING = new Set(["pending", "processing"]);
