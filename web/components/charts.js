// Small charts, drawn as SVG. Each has a label that says what it shows.

import { s } from "../dom.js";

const WIDTH = 600;
const HEIGHT = 80;
const BARS_MIN = 20; // Fewer bars leave the start of the width empty: the last one is the newest.

/**
 * A filled step line.
 *
 * @param {number[]} values None of them negative.
 * @param {string} label
 */
export function stepChart(values, label) {
  const highest = Math.max(...values, 1);
  /** @param {number} index */
  const x = (index) => ((index * WIDTH) / values.length).toFixed(1);
  /** @param {number} value */
  const y = (value) => (HEIGHT - (value / highest) * (HEIGHT - 4)).toFixed(1);
  const line = values.map((value, index) => `${index ? "V" : "M0 "}${y(value)}H${x(index + 1)}`).join("");
  return chart(
    label,
    s("path", { class: "area", d: `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` }),
    s("path", { class: "line", d: line, "vector-effect": "non-scaling-stroke" }),
  );
}

/**
 * One bar per item. The bar of a failed item is hatched and has the full height.
 *
 * @param {{ value: number, failed: boolean, title: string }[]} items
 * @param {string} label
 */
export function barChart(items, label) {
  const highest = Math.max(...items.map((each) => (each.failed ? 0 : each.value)), 1);
  const step = WIDTH / Math.max(items.length, BARS_MIN);
  const start = WIDTH - step * items.length;
  const bars = items.map(({ value, failed, title }, index) => {
    const height = failed ? HEIGHT : Math.max(2, (value / highest) * (HEIGHT - 4));
    const bar = {
      x: (start + index * step).toFixed(1),
      y: (HEIGHT - height).toFixed(1),
      width: Math.max(1, step - 2).toFixed(1),
      height: height.toFixed(1),
    };
    return s(
      "g",
      {},
      s("title", {}, title),
      s("rect", { ...bar, class: failed ? "bar failed" : "bar", fill: failed ? "url(#hatch)" : null }),
    );
  });
  const hatch = s(
    "pattern",
    { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    s("rect", { class: "hatch-ground", width: 6, height: 6 }),
    s("rect", { class: "hatch-line", width: 3, height: 6 }),
  );
  return chart(label, s("defs", {}, hatch), bars);
}

/**
 * @param {string} label
 * @param {...Ui.Child} parts
 */
function chart(label, ...parts) {
  return s(
    "svg",
    {
      class: "plot",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    parts,
  );
}
