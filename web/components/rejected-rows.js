// The rows that were not imported, each with its reason, and the CSV of them to mend.

import { download, get } from "../api.js";
import { link, queryOf } from "../address.js";
import { h, refill } from "../dom.js";
import { count, counted } from "../format.js";
import { icon } from "./icons.js";
import { reporting, tell } from "./notices.js";
import { pager } from "./pager.js";
import { errorState } from "./states.js";
import { table } from "./table.js";

const ITEMS = 25;
const COLUMNS = [
  { title: "Line", class: "number", cell: (each) => count(each.line) },
  { title: "Column", cell: (each) => each.column ?? "Entire row" },
  { title: "Reason", class: "main-cell", cell: (each) => each.message },
  { title: "Original row", class: "wide-cell", cell: (each) => h("code", { class: "raw" }, each.raw) },
];

/** `{element, show(import)}`; shown once the import has ended. */
export function rejectedRows(id, signal) {
  const list = h("div", { class: "list-region" });
  const element = h("section", { "aria-labelledby": "rejected", hidden: true });
  const save = reporting(async () => {
    saveAs(await download(`/api/imports/${id}/rejected-rows.csv`), `rejected-rows-${id}.csv`);
    tell("Rejected rows downloaded. Fix them, then import the file.");
  });
  const load = async (cursor = "") => {
    list.setAttribute("aria-busy", "true");
    try {
      const page = (await get(`/api/imports/${id}/rejected-rows?${queryOf({ limit: ITEMS, cursor })}`, { signal }))
        .data;
      const text = page.items.length ? `Lines ${count(page.items[0].line)} to ${count(page.items.at(-1).line)}` : "";
      refill(
        list,
        table({ caption: "Rejected rows by line", columns: COLUMNS, items: page.items, key: (each) => each.line }),
        (page.next || page.prev) && pager({ text, page, onGo: load }),
      );
    } catch (error) {
      if (!signal.aborted)
        refill(
          list,
          errorState(error, () => load(cursor)),
        );
    } finally {
      list.removeAttribute("aria-busy");
    }
  };
  const show = (found) => {
    element.hidden = !found.rows.rejected;
    if (element.hidden || element.childElementCount) return;
    refill(
      element,
      h(
        "div",
        { class: "section-head" },
        h("h2", { id: "rejected" }, counted(found.rows.rejected, "rejected row")),
        h(
          "button",
          { type: "button", class: "button", data: { key: "save-rejected" }, on: { click: save } },
          icon("download"),
          "Download CSV",
        ),
      ),
      h(
        "p",
        { class: "hint" },
        "Fix these rows in the downloaded file and ",
        h("a", { href: link("/imports") }, "import it"),
        ".",
      ),
      list,
    );
    load();
  };
  return { element, show };
}

function saveAs(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
