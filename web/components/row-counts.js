// The result of an import in rows. The figures add up to the total.

import { h, setText } from "../dom.js";
import { count } from "../format.js";
import { RUNNING } from "./status.js";

/** @type {[keyof Api.RowCounts, string, string][]} */
const FIGURES = [
  ["total", "Rows", "in the file"],
  ["created", "Created", "new products"],
  ["updated", "Updated", "changed products"],
  ["unchanged", "Unchanged", "already up to date"],
  ["superseded", "Duplicates", "a newer row or edit was used"],
  ["rejected", "Rejected", "not imported"],
];

/** @returns {Ui.View<Api.Import>} */
export function rowCounts() {
  const figures = FIGURES.map(([name, label, hint]) => {
    const value = h("dd", { class: "figure" }, "0");
    const note = h("dd", { class: "hint" }, hint);
    return { name, value, note, element: h("div", {}, h("dt", {}, label), value, note) };
  });
  const element = h(
    "dl",
    { class: "row-counts", hidden: true },
    figures.map((each) => each.element),
  );
  /** @param {Api.Import} record */
  const show = (record) => {
    element.hidden = record.status !== "processing" && !record.rows.total;
    for (const { name, value, note, element: figure } of figures) {
      setText(value, count(record.rows[name]));
      if (name === "total") setText(note, totalNote(record.status));
      if (name === "rejected") figure.classList.toggle("some", record.rows.rejected > 0);
    }
  };
  return { element, show };
}

/** @param {Api.ImportStatus} status */
function totalNote(status) {
  if (RUNNING.has(status)) return "processed so far";
  return status === "completed" ? "in the file" : "processed";
}
