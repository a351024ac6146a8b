// What became of the rows. The figures add up to the total.

import { h, setText } from "../dom.js";
import { count } from "../format.js";
import { RUNNING } from "./status.js";

const FIGURES = [
  ["total", "Rows", "in the file"],
  ["created", "Created", "new products"],
  ["updated", "Updated", "changed products"],
  ["unchanged", "Unchanged", "nothing to change"],
  ["superseded", "Superseded", "a newer one won"],
  ["rejected", "Rejected", "could not be used"],
];

/** `{element, show(import)}` */
export function receipt() {
  const values = new Map();
  const element = h(
    "dl",
    { class: "receipt", hidden: true },
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
      runs ? "done so far" : found.status === "completed" ? "in the file" : "done",
    );
    for (const [name, value] of values) setText(value, count(found.rows[name]));
    element.querySelector("[data-figure=rejected]").classList.toggle("some", found.rows.rejected > 0);
  };
  return { element, show };
}
