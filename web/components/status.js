// How things stand, as a word with a shape of its own, so that colour is never all that tells.

import { h } from "../dom.js";
import { icon } from "./icons.js";

const KINDS = {
  uploading: ["upload", "Uploading"],
  pending: ["clock", "Pending"],
  processing: ["turning", "Processing"],
  completed: ["check", "Completed"],
  failed: ["cross", "Failed"],
  cancelled: ["stop", "Cancelled"],
  delivered: ["check", "Delivered"],
  disabled: ["stop", "Off"],
};

export function statusBadge(status) {
  const [picture, word] = KINDS[status] ?? ["clock", status];
  return h("span", { class: "status", data: { status } }, icon(picture), word);
}

export const RUNNING = new Set(["pending", "processing"]);
