// A status as a word with its own icon, so that colour is never the only difference.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** @type {Record<string, [import("./icons.js").IconName, string]>} */
const KINDS = {
  uploading: ["upload", "Uploading"],
  pending: ["clock", "Pending"],
  processing: ["running", "Processing"],
  completed: ["check", "Completed"],
  failed: ["cross", "Failed"],
  cancelled: ["stop", "Cancelled"],
  delivered: ["check", "Delivered"],
};

/** @param {string} status */
export function statusBadge(status) {
  const [symbol, label] = KINDS[status] ?? ["clock", status];
  return h("span", { class: "status", data: { status } }, icon(symbol), label);
}

/** The statuses of an import or a job that has not ended. */
export const RUNNING = new Set(["pending", "processing"]);
