// How fast a webhook answered, and when it did not.

import { h, refill } from "../dom.js";
import { count, counted, milliseconds, when } from "../format.js";
import { barChart } from "./charts.js";
import { deliveryText } from "./delivery-status.js";

const BARS_MIN = 2;

/** Draws the last deliveries, the newest at the right; nothing when there are hardly any. */
export function latencies(place, deliveries) {
  const ended = deliveries.filter((each) => each.attempt_count > 0).reverse();
  if (ended.length < BARS_MIN) return refill(place);
  const times = ended
    .filter((each) => each.status === "delivered")
    .map((each) => each.milliseconds ?? 0)
    .sort((a, b) => a - b);
  const failed = ended.length - times.length;
  const speed = times.length
    ? `median ${milliseconds(times[Math.floor(times.length / 2)])}, slowest ${milliseconds(times.at(-1))}`
    : "no responses";
  const items = ended.map((each) => ({
    value: each.milliseconds ?? 0,
    failed: each.status !== "delivered",
    title: `${when(each.created_at)}: ${deliveryText(each)}`,
  }));
  const said = `Last ${counted(ended.length, "delivery", "deliveries")}: ${speed}; ${count(failed)} failed`;
  refill(
    place,
    h(
      "figure",
      { class: "card chart" },
      h(
        "figcaption",
        {},
        h("span", {}, "Response time"),
        h("span", { class: "hint figures" }, `${speed}; ${count(failed)} failed`),
      ),
      barChart(items, said),
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
