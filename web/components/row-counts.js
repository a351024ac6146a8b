// What became of the rows. The figures add up to the total.

import { h, setText } from "../dom.js";
import { count } from "../format.js";
import { RUNNING } from "./status.js";

const FIGURES = [
  ["total", "Rows", "in the file"],
  ["created", "Created", "new products"],
  ["updated", "Updated", "changed products"],
  ["unchanged", "Unchanged", "already up to date"],
  ["superseded", "Duplicates", "a newer row or edit was used"],
  ["rejected", "Rejected", "not imported"],
];

/** `{element, show(import)}` */
export function rowCounts() {
  const values = new Map();
  const element = h(
    "dl",
    { class: "row-counts", hidden: true },
    FIGURES.map(([name, label, hint]) => {
      const value = h("dd", { class: "figure" }, "0");
      values.set(name, value);
      return h("div", { data: { figure: name } }, h("dt", {}, label), value, h("dd", { class: "hint" }, hint));
    }),
  );
  const show = (found) => {
    const runs = RUNNING.has(found.status);
    element.hidden = !found.started_at && !runs;
    setText(
      element.querySelector("[data-figure=total] .hint"),
      runs ? "processed so far" : found.status === "completed" ? "in the file" : "processed",
    );
    for (const [name, value] of values) setText(value, count(found.rows[name]));
    element.querySelector("[data-figure=rejected]").classList.toggle("some", found.rows.rejected > 0);
  };
  return { element, show };
}
