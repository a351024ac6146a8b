// Products: find them, write them one by one, delete all of them, take them away as a file.

import { get } from "../api.js";
import { link, queryOf, remember } from "../address.js";
import { button } from "../components/button.js";
import { report, reporting } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { deleteAll, deleteProduct } from "../components/product-deletion.js";
import { productFilters } from "../components/product-filters.js";
import { editProduct } from "../components/product-form.js";
import { productJobs, startExport } from "../components/product-jobs.js";
import { given, isFiltered, stateOf, totalText } from "../components/product-query.js";
import { productColumns } from "../components/product-table.js";
import { emptyPage, emptyState, errorState } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { h, refill, setText } from "../dom.js";

const PATH = "/products";

export function open({ main, query, signal }) {
  let state = stateOf(query);
  let loading = null;
  let lastField = null; // which filter made the last step in the browser's history
  const list = h("div", { class: "list-region" }, skeleton(8));
  const summary = h("p", { class: "hint figures", role: "status" }, " ");

  const load = async () => {
    loading?.abort();
    loading = new AbortController();
    const mine = loading;
    list.setAttribute("aria-busy", "true");
    try {
      const page = (
        await get(`/api/products?${queryOf(state)}`, {
          signal: AbortSignal.any([mine.signal, signal]),
        })
      ).data;
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
    if (await editProduct(id)) await load();
  };
  const rows = (page) => [
    table({
      caption: "Products",
      columns: productColumns({
        edit: (id) => reporting(() => edit(id)),
        drop: (each) => reporting(async () => (await deleteProduct(each)) && load()),
      }),
      items: page.items,
      key: (each) => each.id,
      rowClass: (each) => (each.active ? "" : "inactive"),
    }),
    (page.next || page.prev) &&
      pager({ text: page.prev ? "" : "First page", page, onGo: (cursor) => set({ cursor }, null) }),
  ];
  const nothing = () =>
    isFiltered(state)
      ? emptyState(
          "No products match",
          "Try different filters, or clear them.",
          button("Clear filters", { key: "clear", click: () => change(new URLSearchParams(), true) }),
        )
      : state.cursor
        ? emptyPage("The products on it have been deleted.", link(PATH))
        : emptyState(
            "No products yet",
            "Import a file, or add one manually.",
            h("a", { class: "button primary", href: link("/imports") }, "Import a file"),
          );
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
    h(
      "div",
      { class: "section-head page-head" },
      h("h1", { tabindex: "-1" }, "Products"),
      h(
        "div",
        { class: "actions" },
        button("New product", { key: "new", kind: "primary", picture: "plus", click: reporting(() => edit(null)) }),
        button("Export as CSV", {
          key: "export",
          picture: "download",
          click: reporting(async () => jobs.add(await startExport(state))),
        }),
        button("Delete all", {
          key: "delete-all",
          kind: "danger-quiet",
          picture: "bin",
          click: reporting(async () => jobs.add(await deleteAll(await allProducts()))),
        }),
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

const allProducts = async () => (await get("/api/products?limit=1")).data;
