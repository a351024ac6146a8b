// The form for one product.

import { h } from "../dom.js";
import { checkbox, field } from "./fields.js";
import { tell } from "./notices.js";
import { LABELS } from "./product-labels.js";
import { editRecord } from "./record-form.js";

const NEW = { sku: "", name: "", description: "", active: true };

/** Opens the form; `id` is null for a new product. Resolves with the saved product, or undefined. */
export async function editProduct(id) {
  const saved = await editRecord({
    what: "product",
    path: "/api/products",
    id,
    blank: NEW,
    fields,
    labels: LABELS,
    blamed: { sku_taken: "sku" },
  });
  if (saved) tell(id === null ? `${saved.name} was created.` : `${saved.name} was saved.`);
  return saved;
}

const fields = () => ({
  sku: field({
    label: LABELS.sku,
    hint: "Unique product code. Not case-sensitive.",
    make: (ties) => h("input", { ...ties, autocomplete: "off", spellcheck: "false" }),
  }),
  name: field({ label: LABELS.name, make: (ties) => h("input", { ...ties, autocomplete: "off" }) }),
  description: field({ label: LABELS.description, make: (ties) => h("textarea", { ...ties, rows: 4 }) }),
  active: checkbox("Active (shown in the shop)"),
});
