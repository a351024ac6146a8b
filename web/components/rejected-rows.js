// The rows that were not imported, each with its reason, and a CSV file of them to fix and import.

import { download, get } from "../api.js";
import { h, setChildren } from "../dom.js";
import { count, counted } from "../format.js";
import { link, toQuery } from "../urls.js";
import { button } from "./button.js";
import { notify, reporting } from "./notices.js";
import { pager } from "./pager.js";
import { errorState } from "./states.js";
import { table } from "./table.js";

const ITEMS = 25;
const REVOKE_MS = 60_000;
/** @type {Ui.Column<Api.RejectedRow>[]} */
const COLUMNS = [
  { title: "Line", class: "number", cell: (each) => count(each.line) },
  { title: "Column", cell: (each) => each.column ?? "Entire row" },
  { title: "Reason", class: "main-cell sentence-cell", cell: (each) => each.message },
  { title: "Original row", class: "wide-cell sentence-cell", cell: originalRow },
];

/** @param {Api.RejectedRow} row */
function originalRow(row) {
  return [h("code", { class: "raw" }, row.raw), row.raw_is_cut && " (only the beginning of the row is shown)"];
}

/**
 * Shows the rejected rows of an import that has ended.
 *
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Ui.View<Api.Import>}
 */
export function rejectedRows(id, signal) {
  const list = h("div", { class: "list-region" });
  const missing = h("p", { class: "hint", hidden: true });
  let rejected = 0;
  const element = h("section", { "aria-labelledby": "rejected", hidden: true });
  const save = reporting(async () => {
    saveAs(await download(`/api/imports/${id}/rejected-rows.csv`), `rejected-rows-${id}.csv`);
    notify("Rejected rows downloaded. Fix them, then import the file.");
  });
  const load = async (cursor = "") => {
    list.setAttribute("aria-busy", "true");
    try {
      /** @type {import("../api.js").ApiResponse<Api.Page<Api.RejectedRow>>} */
      const { data } = await get(`/api/imports/${id}/rejected-rows?${toQuery({ limit: ITEMS, cursor })}`, { signal });
      setChildren(list, listOf(data, load));
      missing.hidden = data.total >= rejected;
      setChildren(missing, missingText(rejected - data.total));
    } catch (error) {
      if (signal.aborted) return;
      const retry = () => load(cursor);
      setChildren(list, errorState(error, retry));
    } finally {
      list.removeAttribute("aria-busy");
    }
  };
  /** @param {Api.Import} record */
  const show = (record) => {
    rejected = record.rows.rejected;
    element.hidden = !rejected;
    if (element.hidden || element.childElementCount) return;
    const title = h("h2", { id: "rejected" }, counted(rejected, "rejected row"));
    if (!record.details_kept) {
      const text = rejected === 1 ? "The row is no longer kept." : "The rows are no longer kept.";
      setChildren(element, title, h("p", { class: "hint" }, text));
      return;
    }
    setChildren(
      element,
      h(
        "div",
        { class: "section-head" },
        title,
        button("Download CSV", { key: "save-rejected", symbol: "download", click: save }),
      ),
      h(
        "p",
        { class: "hint" },
        record.outcome === "completed_with_rejected_rows" && "All other rows were imported. ",
        `Fix ${rejected === 1 ? "this row" : "these rows"} in the downloaded file and `,
        h("a", { href: link("/imports") }, "import it"),
        ".",
      ),
      missing,
      list,
    );
    load();
  };
  return { element, show };
}

/** @param {number} number */
function missingText(number) {
  return `${counted(number, "more row")} ${number === 1 ? "was" : "were"} rejected but not stored. Fix the original file too.`;
}

/**
 * @param {Api.Page<Api.RejectedRow>} page
 * @param {(cursor: string) => unknown} load
 */
function listOf(page, load) {
  const [first, last] = [page.items.at(0), page.items.at(-1)];
  const text = first && last ? `Lines ${count(first.line)} to ${count(last.line)}` : "";
  return [
    table({ caption: "Rejected rows by line", columns: COLUMNS, items: page.items, key: (each) => each.line }),
    (page.next || page.prev) && pager({ text, page, onGo: load }),
  ];
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_MS);
}
