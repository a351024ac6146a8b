// The form for one product, new or known, in a dialog; and what happens when somebody else was faster.

import { create, get, patch } from "../api.js";
import { h, refill } from "../dom.js";
import { openDialog, busy } from "./dialog.js";
import { field, showErrors } from "./fields.js";
import { tell } from "./notices.js";
import { versions } from "./product-versions.js";

const NEW = { sku: "", name: "", description: "", active: true };

/**
 * Opens the form; `id` is null for a new product. Resolves with the saved product, or undefined. What is edited is read
 * anew, so that nobody works on what a list showed an hour ago.
 */
export async function editProduct(id) {
  const read = id === null ? { data: NEW, etag: null } : await get(`/api/products/${id}`);
  const saved = await openDialog({
    title: id === null ? "New product" : "Edit product",
    fill: (close) => form(id, read, close),
  });
  if (saved) tell(id === null ? `${saved.name} was created.` : `${saved.name} was saved.`);
  return saved;
}

function form(id, read, close) {
  let { data: original, etag } = read;
  const fields = {
    sku: field({
      label: "SKU",
      hint: "What tells this product from all others. abc and ABC are the same.",
      make: (ties) => h("input", { ...ties, value: original.sku, autocomplete: "off", spellcheck: "false" }),
    }),
    name: field({ label: "Name", make: (ties) => h("input", { ...ties, value: original.name, autocomplete: "off" }) }),
    description: field({
      label: "Description",
      make: (ties) => h("textarea", { ...ties, rows: 4, value: original.description }),
    }),
  };
  const active = h("input", { type: "checkbox", id: "product-active", checked: original.active });
  const problem = h("p", { class: "message bad", role: "alert", hidden: true });
  const conflict = h("div");
  const button = h("button", { class: "button primary" }, id === null ? "Create" : "Save");

  const written = () => ({
    ...Object.fromEntries(Object.entries(fields).map(([name, { control }]) => [name, control.value])),
    active: active.checked,
  });
  const changes = () =>
    Object.fromEntries(Object.entries(written()).filter(([name, value]) => value !== original[name]));
  const fillIn = (product) => {
    for (const [name, { control }] of Object.entries(fields)) control.value = product[name];
    active.checked = product.active;
  };
  const save = async () => {
    if (id === null) return close((await create("/api/products", written())).data);
    if (!Object.keys(changes()).length) return close();
    close((await patch(`/api/products/${id}`, changes(), { headers: { "If-Match": etag } })).data);
  };
  const explainConflict = async () => {
    const mine = written();
    ({ data: original, etag } = await get(`/api/products/${id}`));
    const end = () => {
      refill(conflict);
      fields.sku.control.focus();
    };
    refill(
      conflict,
      versions({
        mine,
        stored: original,
        takeStored: () => {
          fillIn(original);
          end();
        },
        keepMine: () => {
          refill(conflict);
          button.click();
        },
      }),
    );
    conflict.querySelector("h3").focus();
  };
  const submit = async (event) => {
    event.preventDefault();
    refill(conflict);
    const error = await busy(button, problem, save);
    if (!error) return;
    if (error.status === 412) {
      problem.hidden = true;
      return explainConflict().catch((failed) => {
        problem.textContent = failed.text;
        problem.hidden = false;
      });
    }
    if (error.code === "sku_taken") {
      problem.hidden = true;
      fields.sku.setError(error.message);
      return fields.sku.control.focus();
    }
    if (error.status === 422 && !showErrors(fields, error.errors).length) problem.hidden = true;
  };
  return h(
    "form",
    { novalidate: true, on: { submit } },
    conflict,
    fields.sku.element,
    fields.name.element,
    fields.description.element,
    h("p", { class: "check" }, active, h("label", { for: "product-active" }, "Active: shown in the shop")),
    problem,
    h(
      "footer",
      { class: "actions end" },
      h("button", { type: "button", class: "button", on: { click: () => close() } }, "Cancel"),
      button,
    ),
  );
}
