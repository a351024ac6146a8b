// A small picture of how fast an import went, made of the times at which its parts were done.

import { get } from "../api.js";
import { h, refill } from "../dom.js";
import { count, duration } from "../format.js";
import { stepChart } from "./charts.js";
import { RUNNING } from "./status.js";

const READ_MS = 2000;
const STEPS_MIN = 2;
const EMPTY = "\u00a0"; // as high as a text
const PICTURED_BYTES_MIN = 4_000_000; // Smaller files are done in one go, and have no picture.

/** `{element, show(import)}` */
export function throughput(id, signal) {
  const element = h("figure", { class: "chart", hidden: true });
  let readAt = -Infinity;
  let reading = false;
  const show = async (found) => {
    const runs = RUNNING.has(found.status);
    if (runs && element.hidden && found.bytes.total > PICTURED_BYTES_MIN) draw(element, [], 0); // Its place is kept, so that nothing jumps.
    if (reading || !found.rows.total || (runs && performance.now() - readAt < READ_MS)) return;
    reading = true;
    readAt = performance.now();
    try {
      const { rows, step_seconds: step } = (await get(`/api/imports/${id}/throughput`, { signal })).data;
      if (rows.length >= STEPS_MIN && step > 0) draw(element, rows, step);
      else if (!runs) element.hidden = true;
    } catch {
      // The picture is not worth a message: the figures beside it say the same.
    } finally {
      reading = false;
    }
  };
  return { element, show };
}

function draw(element, rows, step) {
  const rates = rows.map((each) => each / step);
  const most = rows.length ? `Peak ${count(Math.round(Math.max(...rates)))}` : EMPTY;
  const [from, to] = rows.length ? [duration(0), duration(step * rows.length)] : [EMPTY, EMPTY];
  const said = rows.length ? `Rows per second over ${to}: ${most.toLowerCase()}` : "Rows per second: no data yet";
  element.hidden = false;
  refill(
    element,
    h("figcaption", {}, h("span", {}, "Rows per second"), h("span", { class: "hint figures" }, most)),
    stepChart(rows.length ? rates : [0], said),
    h("div", { class: "axis hint figures", "aria-hidden": "true" }, h("span", {}, from), h("span", {}, to)),
  );
}
