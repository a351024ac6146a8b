// Tables of records. On narrow screens each row becomes a card; the roles are written out because such a layout would
// otherwise take them away.

import { h } from "../dom.js";

/**
 * `columns` are `{title, class, cell(item)}`; a cell is a node, a text, or a list of them. Without a title the column has
 * a heading that only screen readers see (`spoken`).
 */
export function table({ caption, columns, items, key, rowClass = () => "" }) {
  const heads = columns.map(({ title, spoken, class: name = "" }) =>
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
      items.map((item) => row(columns, item, key(item), rowClass(item))),
    ),
  );
}

function row(columns, item, key, name) {
  return h(
    "tr",
    { role: "row", class: name, data: { row: key } },
    columns.map((column) =>
      h(
        "td",
        { role: "cell", class: column.class ?? "", data: column.title ? { title: column.title } : {} },
        h("div", { class: "cell" }, column.cell(item)),
      ),
    ),
  );
}

/** Grey bars in the place of rows that are on their way, so that nothing jumps when they come. */
export function skeleton(rows) {
  return h(
    "div",
    { class: "skeleton", "aria-hidden": "true" },
    Array.from({ length: rows }, () => h("div")),
  );
}
