// Tables of records. On narrow screens each row becomes a card. The ARIA roles are explicit, because that layout would
// otherwise remove them.

import { h } from "../dom.js";

/**
 * `key` identifies an item in the DOM.
 *
 * @template Item
 * @param {{
 *   caption: string,
 *   columns: Ui.Column<Item>[],
 *   items: Item[],
 *   key: (item: Item) => string | number,
 *   rowClass?: (item: Item) => string,
 * }} options
 */
export function table({ caption, columns, items, key, rowClass = () => "" }) {
  const heads = columns.map(({ title, spoken = "", class: name = "" }) =>
    h("th", { scope: "col", role: "columnheader", class: name }, title ?? h("span", { class: "sr-only" }, spoken)),
  );
  return h(
    "table",
    { role: "table", class: "records" },
    h("caption", { class: "sr-only" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
    h(
      "tbody",
      { role: "rowgroup" },
      items.map((item) =>
        h(
          "tr",
          { role: "row", class: rowClass(item), data: { row: key(item) } },
          columns.map((column) => cell(column, item)),
        ),
      ),
    ),
  );
}

/**
 * @template Item
 * @param {Ui.Column<Item>} column
 * @param {Item} item
 */
function cell(column, item) {
  return h(
    "td",
    { role: "cell", class: column.class ?? "", data: column.title ? { title: column.title } : {} },
    h("div", { class: "cell" }, column.cell(item)),
  );
}

/**
 * Grey bars in place of rows that are loading, so that the page does not jump when they arrive.
 *
 * @param {number} rows
 */
export function skeleton(rows) {
  return h(
    "div",
    { class: "skeleton", "aria-hidden": "true" },
    Array.from({ length: rows }, () => h("div")),
  );
}
