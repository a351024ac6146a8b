// A small chart of the speed of an import.

import { get } from "../api.js";
import { h, setChildren } from "../dom.js";
import { count, duration } from "../format.js";
import { stepChart } from "./charts.js";
import { RUNNING } from "./status.js";

const READ_MS = 2000;
const STEPS_MIN = 2;
const BLANK = "\u00a0"; // Keeps the height of a line.
const CHART_BYTES_MIN = 4_000_000; // Smaller files are imported in one step, which makes no chart.

/**
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Ui.View<Api.Import>}
 */
export function throughput(id, signal) {
  const element = h("figure", { class: "chart", hidden: true });
  let readAt = -Infinity;
  let isReading = false;
  /** @param {Api.Import} record */
  const show = async (record) => {
    const isRunning = RUNNING.has(record.status);
    // An empty chart keeps the place, so that the page does not jump.
    if (record.status === "processing" && element.hidden && record.bytes.total > CHART_BYTES_MIN) draw(element, [], 0);
    const isKept = record.details_kept && record.rows.total > 0;
    if (!isRunning && !isKept) element.hidden = true;
    if (isReading || !isKept || (isRunning && performance.now() - readAt < READ_MS)) return;
    isReading = true;
    readAt = performance.now();
    try {
      /** @type {import("../api.js").ApiResponse<Api.Throughput>} */
      const { data } = await get(`/api/imports/${id}/throughput`, { signal });
      if (data.rows.length >= STEPS_MIN && data.step_seconds > 0) draw(element, data.rows, data.step_seconds);
      else if (!isRunning) element.hidden = true;
    } catch {
      // Not worth a message: the figures next to the chart say the same.
    } finally {
      isReading = false;
    }
  };
  return { element, show };
}

/**
 * @param {HTMLElement} element
 * @param {number[]} rows
 * @param {number} step In seconds.
 */
function draw(element, rows, step) {
  const rates = rows.map((each) => each / step);
  const peak = count(Math.round(Math.max(0, ...rates)));
  const isEmpty = rows.length === 0;
  const [from, to] = isEmpty ? [BLANK, BLANK] : [duration(0), duration(step * rows.length)];
  const label = isEmpty ? "Rows per second: no data yet" : `Rows per second over ${to}: peak ${peak}`;
  element.hidden = false;
  setChildren(
    element,
    h(
      "figcaption",
      {},
      h("span", {}, "Rows per second"),
      h("span", { class: "hint figures" }, isEmpty ? BLANK : `Peak ${peak}`),
    ),
    stepChart(isEmpty ? [0] : rates, label),
    h("div", { class: "axis hint figures", "aria-hidden": "true" }, h("span", {}, from), h("span", {}, to)),
  );
}
