// A small picture of how fast an import went, made of the times at which its parts were done.

import { get } from "../api.js";
import { h, refill } from "../dom.js";
import { count, duration } from "../format.js";
import { stepChart } from "./charts.js";
import { RUNNING } from "./status.js";

const READ_MS = 2000;
const STEPS_MIN = 2;

/** `{element, show(import)}` */
export function throughput(id, signal) {
  const element = h("figure", { class: "chart", hidden: true });
  let readAt = -Infinity;
  let reading = false;
  const show = async (found) => {
    const runs = RUNNING.has(found.status);
    if (reading || !found.rows.total || (runs && performance.now() - readAt < READ_MS)) return;
    reading = true;
    readAt = performance.now();
    try {
      draw(element, (await get(`/api/imports/${id}/throughput`, { signal })).data);
    } catch {
      // The picture is not worth a message: the figures beside it say the same.
    } finally {
      reading = false;
    }
  };
  return { element, show };
}

function draw(element, { step_seconds: step, rows }) {
  element.hidden = rows.length < STEPS_MIN || step === 0;
  if (element.hidden) return;
  const rates = rows.map((each) => each / step);
  const most = Math.max(...rates);
  const span = duration(step * rows.length);
  const said = `Rows per second over ${span}: ${count(Math.round(most))} at the most`;
  refill(element, h("figcaption", {}, h("span", {}, "Rows per second"), h("span", { class: "hint figures" }, `at most ${count(Math.round(most))}`)), stepChart(rates, said), h("div", { class: "axis hint figures", "aria-hidden": "true" }, h("span", {}, duration(0)), h("span", {}, span)));
}
