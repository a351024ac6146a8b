// How a delivery ended, in a few words: the status code and the time it took.

import { h } from "../dom.js";
import { milliseconds } from "../format.js";
import { icon } from "./icons.js";

/** @param {Api.DeliveryResult} result */
export const isSuccess = ({ status_code: code }) => code !== null && code >= 200 && code < 300;

/**
 * "HTTP 200 in 12 ms", or why there was no response.
 *
 * @param {Api.DeliveryResult} result
 */
export function deliveryText({ status_code: code, milliseconds: time, error }) {
  const response = code ? `HTTP ${code}` : (error ?? "No response").replace(/\.$/, "");
  return time === null ? response : `${response} ${code ? "in" : "after"} ${milliseconds(time)}`;
}

/** @param {Api.DeliveryResult} result */
export function deliveryResult(result) {
  const succeeded = isSuccess(result);
  return h(
    "span",
    { class: succeeded ? "result good" : "result bad" },
    icon(succeeded ? "check" : "cross"),
    h("span", { class: "sr-only" }, succeeded ? "succeeded: " : "failed: "),
    deliveryText(result),
  );
}
