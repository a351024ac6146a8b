// The columns of the list of products.

import { patch } from "../api.js";
import { link } from "../address.js";
import { h } from "../dom.js";
import { count, when, whenExactly } from "../format.js";
import { iconButton } from "./button.js";
import { tell } from "./notices.js";
import { switchButton } from "./switch.js";

/** `edit(id)` and `drop(product)` give what a click does. */
export function productColumns({ edit, drop }) {
  return [
    { title: "SKU", class: "sku-cell", cell: (each) => each.sku },
    {
      title: "Name",
      class: "main-cell",
      cell: (each) =>
        h(
          "button",
          { type: "button", class: "link", data: { key: `edit-${each.id}` }, on: { click: edit(each.id) } },
          each.name,
        ),
    },
    { title: "Description", class: "wide-cell", cell: (each) => h("span", { class: "clamped" }, each.description) },
    {
      title: "Active",
      cell: (each) =>
        switchButton({
          on: each.active,
          label: `${each.name} is active`,
          key: `active-${each.id}`,
          write: (active) => flip(each, active),
        }),
    },
    {
      title: "Updated",
      class: "changed-cell",
      cell: (each) => [
        h("time", { datetime: each.updated_at, title: whenExactly(each.updated_at) }, when(each.updated_at)),
        origin(each.source),
      ],
    },
    {
      spoken: "Actions",
      class: "action-cell",
      cell: (each) =>
        iconButton(`Delete ${each.name}`, { key: `delete-${each.id}`, picture: "bin", click: drop(each) }),
    },
  ];
}

/** Where the content comes from. */
function origin(source) {
  if (source.kind === "edit") return h("span", { class: "origin" }, "edited manually");
  return h(
    "span",
    { class: "origin" },
    `line ${count(source.line)} of `,
    h("a", { href: link(`/imports/${source.import_id}`) }, source.filename),
  );
}

async function flip(product, active) {
  const { data } = await patch(`/api/products/${product.id}`, { active });
  tell(`${data.name} is now ${data.active ? "active" : "inactive"}.`);
  document.querySelector(`[data-row="${CSS.escape(product.id)}"]`)?.classList.toggle("inactive", !data.active);
}
