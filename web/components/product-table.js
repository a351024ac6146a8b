// The columns of the list of products.

import { needs } from "../access.js";
import { patch } from "../api.js";
import { h } from "../dom.js";
import { count, when, whenExactly } from "../format.js";
import { link } from "../urls.js";
import { iconButton, linkButton } from "./button.js";
import { notify } from "./notices.js";
import { switchButton } from "./switch.js";

/**
 * @param {{ edit: (product: Api.Product) => unknown, remove: (product: Api.Product) => unknown }} actions
 * @returns {Ui.Column<Api.ListedProduct>[]}
 */
export function productColumns({ edit, remove }) {
  return [
    { title: "SKU", class: "sku-cell", cell: (each) => clamped(each.sku) },
    {
      title: "Name",
      class: "main-cell",
      cell: (each) => linkButton(clamped(each.name), { key: `edit-${each.id}`, click: () => edit(each) }),
    },
    { title: "Description", class: "wide-cell", cell: (each) => clamped(beginning(each)) },
    {
      title: "Active",
      cell: (each) =>
        switchButton({
          on: each.active,
          label: `${each.name} is active`,
          key: `active-${each.id}`,
          scope: "write",
          save: (active) => setActive(each, active),
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
        needs(
          "write",
          iconButton(`Delete ${each.name}`, { key: `delete-${each.id}`, symbol: "bin", click: () => remove(each) }),
        ),
    },
  ];
}

/**
 * A text of which the list shows at most two lines. All of it appears when the pointer rests on it.
 *
 * @param {string} text
 */
const clamped = (text) => h("span", { class: "clamped", title: text }, text);

/** @param {Api.ListedProduct} product */
const beginning = ({ description, description_is_cut: isCut }) => (isCut ? `${description}…` : description);

/** @param {Api.Source} source */
function origin(source) {
  if (source.kind === "edit") return h("span", { class: "origin" }, "edited manually");
  const file = source.import_id
    ? h("a", { href: link(`/imports/${source.import_id}`) }, source.filename)
    : "an imported file";
  return [
    h("span", { class: "origin" }, `line ${count(source.line)} of `, file),
    !source.file_kept && h("span", { class: "origin" }, "The file is no longer kept."),
  ];
}

/**
 * @param {Api.Product} product
 * @param {boolean} active
 */
async function setActive(product, active) {
  /** @type {import("../api.js").ApiResponse<Api.Product>} */
  const { data } = await patch(`/api/products/${product.id}`, { active });
  notify(`${data.name} is now ${data.active ? "active" : "inactive"}.`);
  document.querySelector(`[data-row="${CSS.escape(product.id)}"]`)?.classList.toggle("inactive", !data.active);
}
