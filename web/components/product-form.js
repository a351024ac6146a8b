// The form for one product.

import { h } from "../dom.js";
import { link } from "../urls.js";
import { checkbox, field } from "./fields.js";
import { notify } from "./notices.js";
import { editRecord } from "./record-form.js";

export const LABELS = { sku: "SKU", name: "Name", description: "Description", active: "Active" };
/** @type {Api.ProductFields} */
const BLANK = { sku: "", name: "", description: "", active: true };

/**
 * Opens the form. Resolves with the saved product, or undefined.
 *
 * @param {string | null} id Null for a new product.
 */
export async function editProduct(id) {
  /** @type {Api.Product | undefined} */
  const saved = await editRecord({
    what: "product",
    path: "/api/products",
    id,
    blank: BLANK,
    makeFields,
    labels: LABELS,
    comparable: ({ sku, name, description, active }) => ({ sku, name, description, active }),
    explain,
    scope: "write",
  });
  if (saved) notify(id === null ? `${saved.name} was created.` : `${saved.name} was saved.`);
  return saved;
}

/**
 * A SKU that is taken, with a link to the product that has it.
 *
 * @param {import("../api.js").ApiError} error
 * @returns {{ name: "sku", text: Ui.Child } | null}
 */
function explain({ code, message, problem: { sku } }) {
  if (code !== "sku_taken") return null;
  return { name: "sku", text: [`${message}. `, h("a", { href: link("/products", { sku }) }, "Show that product")] };
}

/** @returns {Ui.Fields<Api.ProductFields>} */
const makeFields = () => ({
  sku: field({
    label: LABELS.sku,
    hint: "Unique product code. Not case-sensitive.",
    make: (attributes) => h("input", { ...attributes, autocomplete: "off", spellcheck: "false" }),
  }),
  name: field({ label: LABELS.name, make: (attributes) => h("input", { ...attributes, autocomplete: "off" }) }),
  description: field({ label: LABELS.description, make: (attributes) => h("textarea", { ...attributes, rows: 4 }) }),
  active: checkbox("Active (shown in the shop)"),
});
