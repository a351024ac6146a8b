// What came of a delivery, in a few words: the status code and the time it took.

import { h } from "../dom.js";
import { milliseconds } from "../format.js";
import { icon } from "./icons.js";

export const isGood = (result) => result.status_code >= 200 && result.status_code < 300;

/** "HTTP 200 in 12 ms", or why there was no answer. */
export function deliveryText({ status_code: code, milliseconds: time, error }) {
  const answer = code ? `HTTP ${code}` : (error ?? "No response").replace(/\.$/, "");
  return time === null || time === undefined ? answer : `${answer} ${code ? "in" : "after"} ${milliseconds(time)}`;
}

export function deliveryResult(result) {
  const good = isGood(result);
  return h(
    "span",
    { class: good ? "result good" : "result bad" },
    icon(good ? "check" : "cross"),
    h("span", { class: "sr-only" }, good ? "succeeded: " : "failed: "),
    deliveryText(result),
  );
}
