// Deletes one product, or all of them. Both ask first, because neither can be undone.

import { ApiError, create, get, remove } from "../api.js";
import { h, setChildren } from "../dom.js";
import { counted } from "../format.js";
import { button } from "./button.js";
import { comparison } from "./conflict.js";
import { busy, confirm, openDialog, problemMessage } from "./dialog.js";
import { field } from "./fields.js";
import { notify } from "./notices.js";
import { LABELS } from "./product-form.js";

const CONFIRMATION = "DELETE ALL";

/**
 * Asks, then deletes the product unless another user has changed it in the meantime. Resolves with true once it is
 * gone.
 *
 * @param {Api.Product} product
 */
export async function deleteProduct(product) {
  const path = `/api/products/${product.id}`;
  let { data: seen, etag } = await read(path);
  const changed = h("div");
  const act = async () => {
    try {
      await remove(path, { headers: { "If-Match": etag ?? "" } });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 412) throw error;
      const before = seen;
      ({ data: seen, etag } = await read(path));
      setChildren(
        changed,
        h(
          "p",
          { class: "message warn" },
          "Someone else has changed this product. Review the changes before you delete it.",
        ),
        comparison(LABELS, "When you opened this", compared(before), compared(seen)),
      );
      error.message = "The product was not deleted.";
      throw error;
    }
  };
  const deleted = await confirm({
    title: "Delete this product?",
    text: `${product.name} (${product.sku}) will be permanently deleted.`,
    details: changed,
    action: "Delete",
    act,
  });
  if (deleted) notify(`${product.name} was deleted.`);
  return deleted;
}

/**
 * @param {string} path
 * @returns {Promise<import("../api.js").ApiResponse<Api.Product>>}
 */
const read = (path) => get(path);

/** @param {Api.Product} product */
const compared = ({ sku, name, description, active }) => ({ sku, name, description, active });

/**
 * Asks for a typed confirmation, then starts the deletion. Resolves with the bulk delete, or undefined.
 *
 * @param {Pick<Api.Page<Api.ListedProduct>, "total" | "total_is_estimate">} page The total that the dialog shows.
 * @returns {Promise<Api.BulkDelete | undefined>}
 */
export function deleteAll(page) {
  const total = `${page.total_is_estimate ? "About " : ""}${counted(page.total, "product")}`;
  /** @param {(value?: Api.BulkDelete) => void} close */
  const fill = (close) => {
    const problem = problemMessage();
    const proceed = h("button", { class: "button danger", disabled: true }, "Delete all products");
    const words = field({
      label: `Type ${CONFIRMATION} to confirm`,
      make: (attributes) => h("input", { ...attributes, autocomplete: "off", spellcheck: "false", autofocus: true }),
    });
    words.control.addEventListener("input", () => {
      proceed.disabled = words.value().trim() !== CONFIRMATION;
    });
    /** @param {Event} event */
    const submit = (event) => {
      event.preventDefault();
      if (proceed.disabled) return;
      busy(proceed, problem, async () => {
        /** @type {import("../api.js").ApiResponse<Api.BulkDelete>} */
        const { data } = await create("/api/bulk-deletes", { confirm: CONFIRMATION });
        close(data);
      });
    };
    return h(
      "form",
      { on: { submit } },
      h(
        "p",
        {},
        h("strong", {}, total),
        " will be permanently deleted, regardless of filters. Running imports will be cancelled.",
      ),
      words.element,
      problem,
      h("footer", { class: "actions end" }, button("Cancel", { click: () => close() }), proceed),
    );
  };
  return openDialog({ title: "Delete all products?", fill });
}
