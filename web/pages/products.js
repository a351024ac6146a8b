// Products: find them, write them one by one, delete all of them, take them away as a file.

import { get, patch } from "../api.js";
import { link, remember } from "../address.js";
import { icon } from "../components/icons.js";
import { report, tell } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { deleteAll, deleteProduct } from "../components/product-deletion.js";
import { SORTS, productFilters } from "../components/product-filters.js";
import { editProduct } from "../components/product-form.js";
import { productJobs, startExport } from "../components/product-jobs.js";
import { emptyState, errorState } from "../components/states.js";
import { switchButton } from "../components/switch.js";
import { skeleton, table } from "../components/table.js";
import { h, refill, setText } from "../dom.js";
import { count, when, whenExactly } from "../format.js";

const PATH = "/products";
const DEFAULTS = { sku: "", name: "", description: "", active: "", sort: Object.keys(SORTS)[0], limit: "50" };

export function open({ main, query, signal }) {
  let state = stateOf(query);
  let total = 0;
  let loading = null;
  let lastField = null; // which filter made the last step in the browser's history
  const list = h("div", { class: "list-region" }, skeleton(8));
  const summary = h("p", { class: "hint figures", role: "status" }, " ");
  const act = (action) => async () => {
    try {
      await action();
    } catch (error) {
      report(error);
    }
  };

  const load = async () => {
    loading?.abort();
    loading = new AbortController();
    const mine = loading;
    list.setAttribute("aria-busy", "true");
    try {
      const page = (await get(`/api/products?${new URLSearchParams(wanted(state))}`, { signal: AbortSignal.any([mine.signal, signal]) })).data;
      total = page.total;
      setText(summary, totalText(page, isFiltered(state)));
      refill(list, page.items.length ? rows(page) : nothing());
    } catch (error) {
      if (mine.signal.aborted || signal.aborted) return;
      setText(summary, " ");
      refill(list, errorState(error, load));
      if (error.status === undefined) report(error);
    } finally {
      if (mine === loading) list.removeAttribute("aria-busy");
    }
  };
  const set = (changes, field) => {
    state = { ...state, cursor: "", ...changes };
    // Letters typed into one field are one step back, not one each.
    remember(PATH, given(state), { replace: field !== null && field === lastField });
    lastField = field;
    load();
  };
  const edit = async (id) => {
    if (await editProduct(id, load)) await load();
  };
  const rows = (page) => [
    table({ caption: "Products", columns: columns({ edit: (id) => act(() => edit(id)), drop: (each) => act(async () => (await deleteProduct(each)) && load()) }), items: page.items, key: (each) => each.id, rowClass: (each) => (each.active ? "" : "inactive") }),
    (page.next || page.prev) && pager({ text: page.prev ? "" : "The first page", page, onGo: (cursor) => set({ cursor }, null) }),
  ];
  const nothing = () => isFiltered(state)
    ? emptyState("No product matches", "Loosen the filters, or clear them.", h("button", { type: "button", class: "button", data: { key: "clear" }, on: { click: () => change(new URLSearchParams(), true) } }, "Clear the filters"))
    : state.cursor ? emptyState("This page is empty", "Its products were deleted.", h("a", { class: "button", href: link(PATH) }, "Go to the first page"))
    : emptyState("No products yet", "Import a file, or write the first one by hand.", h("a", { class: "button primary", href: link("/imports") }, "Import a file"));
  const filters = productFilters(state, set);
  const change = (changed, isNew = false) => {
    state = stateOf(changed);
    lastField = null;
    filters.show(state);
    if (isNew) remember(PATH, given(state), { replace: false });
    load();
  };
  const jobs = productJobs(signal, load);

  main.append(
    h("div", { class: "section-head page-head" }, h("h1", { tabindex: "-1" }, "Products"),
      h("div", { class: "actions" },
        h("button", { type: "button", class: "button primary", data: { key: "new" }, on: { click: act(() => edit(null)) } }, icon("plus"), "New product"),
        h("button", { type: "button", class: "button", data: { key: "export" }, on: { click: act(async () => jobs.add(await startExport(state))) } }, icon("download"), "Export as CSV"),
        h("button", { type: "button", class: "button danger-quiet", data: { key: "delete-all" }, on: { click: act(async () => jobs.add(await deleteAll(await allProducts()))) } }, icon("bin"), "Delete all"))),
    jobs.element, filters.element, summary, list);
  load();
  return { change };
}

const stateOf = (query) => ({ ...DEFAULTS, cursor: "", ...Object.fromEntries([...query].filter(([name]) => name in DEFAULTS || name === "cursor")) });
const given = (state) => Object.fromEntries(Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]));
const wanted = (state) => Object.fromEntries(Object.entries(state).filter(([, value]) => value !== ""));
const isFiltered = (state) => Boolean(state.sku || state.name || state.description || state.active);
const allProducts = async () => (await get("/api/products?limit=1")).data;

function totalText(page, filtered) {
  const what = filtered ? (page.total === 1 ? "product matches" : "products match") : page.total === 1 ? "product" : "products";
  const more = page.total_is_estimate ? (filtered ? "at least " : "about ") : "";
  return `${more}${count(page.total)} ${what}`.replace(/^[a-z]/, (letter) => letter.toUpperCase());
}

function columns({ edit, drop }) {
  return [
    { title: "SKU", class: "sku-cell", cell: (each) => each.sku },
    { title: "Name", class: "main-cell", cell: (each) => h("button", { type: "button", class: "link", data: { key: `edit-${each.id}` }, on: { click: edit(each.id) } }, each.name) },
    { title: "Description", class: "wide-cell", cell: (each) => h("span", { class: "clamped" }, each.description) },
    { title: "Active", cell: (each) => switchButton({ on: each.active, label: `${each.name} is active`, key: `active-${each.id}`, write: (active) => flip(each, active) }) },
    { title: "Changed", class: "changed-cell", cell: (each) => [h("time", { datetime: each.updated_at, title: whenExactly(each.updated_at) }, when(each.updated_at)), origin(each.source)] },
    { spoken: "Actions", class: "action-cell", cell: (each) => h("button", { type: "button", class: "icon-button", "aria-label": `Delete ${each.name}`, data: { key: `delete-${each.id}` }, on: { click: drop(each) } }, icon("bin")) },
  ];
}

/** Where the content comes from. */
function origin(source) {
  if (source.kind === "edit") return h("span", { class: "origin" }, "by hand");
  return h("span", { class: "origin" }, `line ${count(source.line)} of `, h("a", { href: link(`/imports/${source.import_id}`) }, source.filename));
}

async function flip(product, active) {
  const { data } = await patch(`/api/products/${product.id}`, { active });
  tell(`${data.name} is ${data.active ? "active" : "not active any more"}.`);
  document.querySelector(`[data-row="${CSS.escape(product.id)}"]`)?.classList.toggle("inactive", !data.active);
}
