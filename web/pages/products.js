// Products: search, edit, export, delete.

import { needs } from "../access.js";
import { ApiError, get } from "../api.js";
import { button } from "../components/button.js";
import { report, reporting } from "../components/notices.js";
import { pager, positions } from "../components/pager.js";
import { deleteAll, deleteProduct } from "../components/product-deletion.js";
import { productFilters } from "../components/product-filters.js";
import { editProduct } from "../components/product-form.js";
import { productJobs, startExport } from "../components/product-jobs.js";
import { isFiltered, stateFromQuery, totalText, withoutDefaults } from "../components/product-query.js";
import { productColumns } from "../components/product-table.js";
import { emptyPage, emptyState, errorState } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { h, setChildren, setText } from "../dom.js";
import { link, toQuery, updateUrl } from "../urls.js";

/** @import { Filter, ListState } from "../components/product-filters.js" */

const PATH = "/products";

/** @param {Ui.PageContext} context */
export function open({ main, query, signal }) {
  let state = stateFromQuery(query);
  /** @type {AbortController | null} */
  let loading = null;
  /** @type {Filter | null} The text filter of the newest history entry. */
  let lastTyped = null;
  const rangeOf = positions();
  const list = h("div", { class: "list-region" }, skeleton(8));
  const summary = h("p", { class: "hint figures", role: "status" }, " ");

  const load = async () => {
    loading?.abort();
    const mine = new AbortController();
    loading = mine;
    list.setAttribute("aria-busy", "true");
    try {
      const page = await fetchPage(state, AbortSignal.any([mine.signal, signal]));
      if (!page.items.length) await jobs.isKnown;
      if (mine.signal.aborted) return;
      setText(summary, totalText(page, isFiltered(state)));
      setChildren(list, page.items.length ? rows(page) : nothing());
    } catch (error) {
      if (mine.signal.aborted || signal.aborted) return;
      setText(summary, " ");
      setChildren(list, errorState(error, load));
      if (!(error instanceof ApiError)) report(error);
    } finally {
      if (mine === loading) list.removeAttribute("aria-busy");
    }
  };
  /** @type {(changes: Partial<ListState>, typed: Filter | null) => void} */
  const set = (changes, typed) => {
    state = { ...state, cursor: "", ...changes };
    // Text typed into one field makes one history entry, not one for each letter.
    updateUrl(PATH, withoutDefaults(state), { replace: typed !== null && typed === lastTyped });
    lastTyped = typed;
    load();
  };
  /** @param {URLSearchParams} changed */
  const change = (changed) => {
    state = stateFromQuery(changed);
    lastTyped = null;
    filters.show(state);
    load();
  };
  const clearFilters = () => {
    updateUrl(PATH, {}, { replace: false });
    change(new URLSearchParams());
  };
  /** @param {string | null} id */
  const edit = async (id) => {
    if (await editProduct(id)) await load();
  };
  const columns = productColumns({
    edit: (each) => reporting(() => edit(each.id))(),
    remove: (each) => reporting(async () => (await deleteProduct(each)) && load())(),
  });
  /** @param {Api.Page<Api.ListedProduct>} page */
  const rows = (page) => [
    table({
      caption: "Products",
      columns,
      items: page.items,
      key: (each) => each.id,
      rowClass: (each) => (each.active ? "" : "inactive"),
    }),
    (page.next || page.prev) &&
      pager({ text: rangeOf(toQuery(state), page), page, onGo: (cursor) => set({ cursor }, null) }),
  ];
  const nothing = () => {
    if (isFiltered(state))
      return emptyState(
        "No products match",
        "Try different filters, or clear them.",
        button("Clear filters", { key: "clear", click: clearFilters }),
      );
    if (jobs.isDeleting())
      return emptyState("Products are being deleted", "They are no longer in the catalogue. You can add new ones now.");
    if (state.cursor) return emptyPage("The products on it have been deleted.", link(PATH));
    return emptyState(
      "No products yet",
      "",
      needs("write", h("a", { class: "button primary", href: link("/imports") }, "Import a file")),
    );
  };
  const filters = productFilters(state, set);
  const jobs = productJobs(signal, load);

  main.append(
    h(
      "div",
      { class: "section-head page-head" },
      h("h1", { tabindex: "-1" }, "Products"),
      h(
        "div",
        { class: "actions" },
        needs(
          "write",
          button("New product", { key: "new", kind: "primary", symbol: "plus", click: reporting(() => edit(null)) }),
        ),
        button("Export as CSV", {
          key: "export",
          symbol: "download",
          click: reporting(async () => jobs.add(await startExport(state))),
        }),
        needs(
          "admin",
          button("Delete all", {
            key: "delete-all",
            kind: "danger-quiet",
            symbol: "bin",
            click: reporting(async () => jobs.add(await deleteAll(await allProducts()))),
          }),
        ),
      ),
    ),
    jobs.element,
    filters.element,
    summary,
    list,
  );
  load();
  return { change };
}

/**
 * @param {ListState} state
 * @param {AbortSignal} signal
 * @returns {Promise<Api.Page<Api.ListedProduct>>}
 */
const fetchPage = async (state, signal) => (await get(`/api/products?${toQuery(state)}`, { signal })).data;

/** @returns {Promise<Api.Page<Api.ListedProduct>>} */
const allProducts = async () => (await get("/api/products?limit=1")).data;
