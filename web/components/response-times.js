// A chart of how fast a webhook responded, and when it failed.

import { h, setChildren } from "../dom.js";
import { count, counted, milliseconds, when } from "../format.js";
import { barChart } from "./charts.js";
import { deliveryText } from "./delivery-status.js";

const BARS_MIN = 2;

/**
 * Draws the latest deliveries, newest on the right. Says how many there are if they are too few.
 *
 * @param {HTMLElement} place
 * @param {Api.Delivery[]} deliveries Newest first.
 */
export function showResponseTimes(place, deliveries) {
  const ended = deliveries.filter((each) => each.attempt_count > 0).reverse();
  if (ended.length < BARS_MIN) return setChildren(place, tooFew(ended));
  const summary = summaryOf(ended);
  const items = ended.map((each) => ({
    value: each.milliseconds ?? 0,
    failed: each.status !== "delivered",
    title: `${when(each.created_at)}: ${deliveryText(each)}`,
  }));
  setChildren(
    place,
    h(
      "figure",
      { class: "card chart" },
      h("figcaption", {}, h("span", {}, "Response time"), h("span", { class: "hint figures" }, summary)),
      barChart(items, `Last ${counted(ended.length, "delivery", "deliveries")}: ${summary}`),
      h(
        "div",
        { class: "axis hint", "aria-hidden": "true" },
        h("span", {}, "older"),
        h("span", { class: "legend" }, "failed"),
        h("span", {}, "newer"),
      ),
    ),
  );
}

/** @param {Api.Delivery[]} ended */
function tooFew([first]) {
  const known = first ? `One delivery so far: ${deliveryText(first)}.` : "No delivery has been attempted yet.";
  return h("p", { class: "hint" }, `${known} A chart of response times appears after ${BARS_MIN} deliveries.`);
}

/** @param {Api.Delivery[]} deliveries */
function summaryOf(deliveries) {
  const times = deliveries
    .filter((each) => each.status === "delivered")
    .map((each) => each.milliseconds ?? 0)
    .sort((a, b) => a - b);
  const failed = `${count(deliveries.length - times.length)} failed`;
  const slowest = times.at(-1);
  if (slowest === undefined) return `no responses; ${failed}`;
  return `median ${milliseconds(times[Math.floor(times.length / 2)])}, slowest ${milliseconds(slowest)}; ${failed}`;
}
