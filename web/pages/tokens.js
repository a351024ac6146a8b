// Tokens: who may use the API and this page.

import { learnScope, needs } from "../access.js";
import { get } from "../api.js";
import { button } from "../components/button.js";
import { reporting } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyPage, errorState } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { createToken } from "../components/token-form.js";
import { isValid, revokeToken, tokenColumns } from "../components/token-table.js";
import { h, setChildren } from "../dom.js";
import { link, toQuery, updateUrl } from "../urls.js";

const PATH = "/tokens";
const ITEMS = 20;

/** @param {Ui.PageContext} context */
export function open({ main, query, signal }) {
  let cursor = query.get("cursor") ?? "";
  const list = h("div", { class: "list-region" }, skeleton(3));
  let loading = new AbortController();
  const load = async () => {
    loading.abort(); // An older response must not replace a newer one.
    const mine = new AbortController();
    loading = mine;
    list.setAttribute("aria-busy", "true");
    try {
      /** @type {[import("../api.js").ApiResponse<Api.Page<Api.Token>>, unknown]} */
      const [{ data: page }] = await Promise.all([
        get(`/api/tokens?${toQuery({ limit: ITEMS, cursor })}`, { signal: AbortSignal.any([mine.signal, signal]) }),
        learnScope(), // The list marks the token that the user is signed in with.
      ]);
      setChildren(list, page.items.length ? rows(page) : emptyPage("There are no tokens on it.", link(PATH)));
    } catch (error) {
      if (!mine.signal.aborted && !signal.aborted) setChildren(list, errorState(error, load));
    } finally {
      if (mine === loading) list.removeAttribute("aria-busy");
    }
  };
  /** @param {Ui.Action} action */
  const act = (action) => reporting(async () => (await action()) && load());
  const columns = tokenColumns((each) => act(() => revokeToken(each))());
  /** @param {Api.Page<Api.Token>} page */
  const rows = (page) => [
    table({
      caption: "Tokens, newest first",
      columns,
      items: page.items,
      key: (each) => each.id,
      rowClass: (each) => (isValid(each) ? "" : "inactive"),
    }),
    (page.next || page.prev) && pager({ text: "Newest first", page, onGo: goTo }),
  ];
  /** @param {string} target */
  const goTo = (target) => {
    cursor = target;
    updateUrl(PATH, { cursor }, { replace: false });
    load();
  };
  main.append(
    h(
      "div",
      { class: "section-head page-head" },
      h("h1", { tabindex: "-1" }, "Tokens"),
      h(
        "div",
        { class: "actions" },
        needs("admin", button("New token", { key: "new", kind: "primary", symbol: "plus", click: act(createToken) })),
      ),
    ),
    h(
      "p",
      { class: "lead" },
      "Each person and each system should have a token of its own, with the least scope it needs.",
    ),
    list,
  );
  load();
  return {
    /** @param {URLSearchParams} changed */
    change: (changed) => {
      cursor = changed.get("cursor") ?? "";
      load();
    },
  };
}
