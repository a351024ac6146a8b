// Two versions of the same record side by side, for a user whose change conflicts with another one.

import { h } from "../dom.js";
import { button } from "./button.js";

/**
 * What is compared of a record, by field.
 *
 * @typedef {Record<string, string | boolean>} Version
 */

const STORED = "Current version";

/** @param {string | boolean} value */
const shown = (value) => {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value || "(empty)";
};

/**
 * Asks which version to keep. `mine` is what the user entered, `stored` what the server has.
 *
 * @param {{
 *   what: string,
 *   labels: Record<string, string>,
 *   mine: Version,
 *   stored: Version,
 *   useTheirs: () => void,
 *   overwrite: () => void,
 * }} options
 */
export function conflictMessage({ what, labels, mine, stored, useTheirs, overwrite }) {
  return h(
    "section",
    { class: "message warn conflict", role: "group", "aria-labelledby": "conflict" },
    h("h3", { id: "conflict", tabindex: "-1" }, `Someone else has changed this ${what}`),
    h("p", {}, "Nothing has been saved yet. Choose a version to keep, or continue editing yours."),
    comparison(labels, "Your version", mine, stored),
    h(
      "p",
      { class: "actions" },
      button("Use their version", { click: useTheirs }),
      button("Overwrite with mine", { click: overwrite }),
    ),
  );
}

/**
 * A table of the fields in which two versions differ.
 *
 * @param {Record<string, string>} labels
 * @param {string} mineTitle
 * @param {Version} mine
 * @param {Version} stored
 */
export function comparison(labels, mineTitle, mine, stored) {
  const names = Object.keys(labels);
  const different = names.filter((name) => mine[name] !== stored[name]);
  /** @type {(title: string, value: string | boolean) => HTMLElement} */
  const cell = (title, value) => h("td", { data: { title } }, shown(value));
  const rows = different.map((name) =>
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
    different.length < names.length && h("p", {}, "Everything else is the same."),
  ];
}
