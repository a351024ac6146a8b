// Two versions of a product beside each other, for whoever must choose between them.

import { h } from "../dom.js";

const ROWS = { sku: "SKU", name: "Name", description: "Description", active: "Active" };
const shown = (value) => (value === true ? "yes" : value === false ? "no" : value || "(empty)");

/** `mine` is what was written here, `stored` what stands there now. */
export function versions({ mine, stored, takeStored, keepMine }) {
  return h(
    "section",
    { class: "message warn conflict", role: "group", "aria-labelledby": "conflict" },
    h("h3", { id: "conflict", tabindex: "-1" }, "Somebody else changed this product meanwhile"),
    h("p", {}, "Nothing is lost yet: choose which version stays. You can also go on editing yours."),
    compared("Yours", mine, stored),
    h(
      "p",
      { class: "actions" },
      h("button", { type: "button", class: "button", on: { click: takeStored } }, "Take what is stored"),
      h("button", { type: "button", class: "button", on: { click: keepMine } }, "Save mine over it"),
    ),
  );
}

/** What differs between two versions, beside each other. */
export function compared(mineTitle, mine, stored) {
  const differing = Object.keys(ROWS).filter((name) => mine[name] !== stored[name]);
  const rows = differing.map((name) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, ROWS[name]),
      h("td", {}, shown(mine[name])),
      h("td", {}, shown(stored[name])),
    ),
  );
  if (!rows.length) return h("p", {}, "Both versions are the same by now.");
  return [
    h(
      "table",
      { class: "compared" },
      h(
        "thead",
        {},
        h("tr", {}, h("td", {}), h("th", { scope: "col" }, mineTitle), h("th", { scope: "col" }, "Stored now")),
      ),
      h("tbody", {}, rows),
    ),
    differing.length < Object.keys(ROWS).length && h("p", {}, "Everything else is the same."),
  ];
}
