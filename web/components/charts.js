// Small pictures of numbers, drawn as SVG. Each carries a sentence that says what it shows.

import { s } from "../dom.js";

const WIDTH = 600;
const HEIGHT = 80;

/** A filled line of steps from left to right. `values` are not negative; `label` is read out in its place. */
export function stepChart(values, label) {
  const most = Math.max(...values, 1);
  const x = (at) => ((at * WIDTH) / values.length).toFixed(1);
  const y = (value) => (HEIGHT - (value / most) * (HEIGHT - 4)).toFixed(1);
  const line = values.map((value, at) => `${at ? "V" : "M0 "}${y(value)}H${x(at + 1)}`).join("");
  return picture(
    label,
    HEIGHT,
    s("path", { class: "area", d: `${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` }),
    s("path", { class: "line", d: line, "vector-effect": "non-scaling-stroke" }),
  );
}

/** A bar for each of `items` `{value, failed, title}`, from left to right; one that failed is hatched and of full height, however long it took. */
export function barChart(items, label) {
  const most = Math.max(...items.map((each) => (each.failed ? 0 : each.value)), 1);
  const step = WIDTH / Math.max(items.length, 20);
  const bars = items.map(({ value, failed, title }, at) => {
    const height = failed ? HEIGHT : Math.max(2, (value / most) * (HEIGHT - 4));
    const bar = {
      x: (at * step).toFixed(1),
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
  return picture(label, HEIGHT, s("defs", {}, hatch), bars);
}

function picture(label, height, ...parts) {
  return s(
    "svg",
    {
      class: "picture",
      viewBox: `0 0 ${WIDTH} ${height}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": label,
    },
    parts,
  );
}
