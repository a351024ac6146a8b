// Deleting: one product, or all of them. Neither can be undone, so both ask.

import { create, get, remove } from "../api.js";
import { h, refill } from "../dom.js";
import { count } from "../format.js";
import { busy, confirm, openDialog } from "./dialog.js";
import { field } from "./fields.js";
import { tell } from "./notices.js";
import { LABELS } from "./product-labels.js";
import { compared } from "./versions.js";

const WORDS = "DELETE ALL";

/** Asks, then deletes what was shown: not what somebody else made of it meanwhile. Resolves with true when it is gone. */
export async function deleteProduct(product) {
  let { data: seen, etag } = await get(`/api/products/${product.id}`);
  const changed = h("div");
  const act = async () => {
    try {
      await remove(`/api/products/${product.id}`, { headers: { "If-Match": etag } });
    } catch (error) {
      if (error.status !== 412) throw error;
      const before = seen;
      ({ data: seen, etag } = await get(`/api/products/${product.id}`));
      refill(
        changed,
        h(
          "p",
          { class: "message warn" },
          "Someone else has changed this product. Review the changes before you delete it.",
        ),
        compared(LABELS, "When you opened this", before, seen),
      );
      error.message = "The product was not deleted.";
      throw error;
    }
  };
  const gone = await confirm({
    title: "Delete this product?",
    text: `${product.name} (${product.sku}) will be permanently deleted.`,
    details: changed,
    action: "Delete",
    act,
  });
  if (gone) tell(`${product.name} was deleted.`);
  return gone;
}

/** Asks for a typed confirmation, then starts. Resolves with the bulk delete, or undefined. `page` knows how many there are. */
export function deleteAll(page) {
  const many = `${page.total_is_estimate ? "About " : ""}${count(page.total)} ${page.total === 1 ? "product" : "products"}`;
  return openDialog({
    title: "Delete all products?",
    fill: (close) => {
      const problem = h("p", { class: "message bad", role: "alert", hidden: true });
      const button = h("button", { class: "button danger", disabled: true }, "Delete all products");
      const words = field({
        label: `Type ${WORDS} to confirm`,
        make: (ties) => h("input", { ...ties, autocomplete: "off", spellcheck: "false", autofocus: true }),
      });
      words.control.addEventListener("input", () => {
        button.disabled = words.control.value.trim() !== WORDS;
      });
      const submit = (event) => {
        event.preventDefault();
        if (!button.disabled)
          busy(button, problem, async () => close((await create("/api/bulk-deletes", { confirm: WORDS })).data));
      };
      return h(
        "form",
        { on: { submit } },
        h(
          "p",
          {},
          h("strong", {}, many),
          " will be permanently deleted, regardless of filters. Running imports will be cancelled.",
        ),
        words.element,
        problem,
        h(
          "footer",
          { class: "actions end" },
          h("button", { type: "button", class: "button", on: { click: () => close() } }, "Cancel"),
          button,
        ),
      );
    },
  });
}
