// Two versions of one thing beside each other, for whoever must choose between them.

import { h } from "../dom.js";

const STORED = "Current version";
const shown = (value) => (value === true ? "yes" : value === false ? "no" : value || "(empty)");

/** `mine` is what was written here, `stored` what stands there now, `what` the thing; the rest is as in `compared`. */
export function versions({ what, labels, mine, stored, takeStored, keepMine }) {
  return h(
    "section",
    { class: "message warn conflict", role: "group", "aria-labelledby": "conflict" },
    h("h3", { id: "conflict", tabindex: "-1" }, `Someone else has changed this ${what}`),
    h("p", {}, "Nothing has been saved yet. Choose a version to keep, or continue editing yours."),
    compared(labels, "Your version", mine, stored),
    h(
      "p",
      { class: "actions" },
      h("button", { type: "button", class: "button", on: { click: takeStored } }, "Use their version"),
      h("button", { type: "button", class: "button", on: { click: keepMine } }, "Overwrite with mine"),
    ),
  );
}

/** What differs between two versions, beside each other. `labels` name what is compared: texts, and yes or no. */
export function compared(labels, mineTitle, mine, stored) {
  const names = Object.keys(labels);
  const differing = names.filter((name) => mine[name] !== stored[name]);
  const cell = (title, value) => h("td", { data: { title } }, shown(value));
  const rows = differing.map((name) =>
    h("tr", {}, h("th", { scope: "row" }, labels[name]), cell(mineTitle, mine[name]), cell(STORED, stored[name])),
  );
  if (!rows.length) return h("p", {}, "Both versions are now the same.");
  return [
    h(
      "table",
      { class: "compared" },
      h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, mineTitle), h("th", { scope: "col" }, STORED))),
      h("tbody", {}, rows),
    ),
    differing.length < names.length && h("p", {}, "Everything else is the same."),
  ];
}
