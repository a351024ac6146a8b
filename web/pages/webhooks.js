// Webhooks: the list of all webhooks.

import { lacking, needs } from "../access.js";
import { ApiError, get } from "../api.js";
import { button } from "../components/button.js";
import { reporting } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyState, errorState } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { editWebhook } from "../components/webhook-form.js";
import { webhookColumns } from "../components/webhook-table.js";
import { webhookTests } from "../components/webhook-test.js";
import { h, setChildren } from "../dom.js";
import { toQuery, updateUrl } from "../urls.js";

const PATH = "/webhooks";
const ITEMS = 20;

/** @param {Ui.PageContext} context */
export function open({ main, query, signal }) {
  let cursor = query.get("cursor") ?? "";
  const list = h("div", { class: "list-region" }, skeleton(3));
  /** @param {Ui.Action} action */
  const act = (action) =>
    reporting(async () => {
      try {
        if (await action()) await load();
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) load(); // Another user has deleted it.
        throw error;
      }
    });
  let loading = new AbortController();
  const load = async () => {
    loading.abort(); // An older response must not replace a newer one.
    const mine = new AbortController();
    loading = mine;
    list.setAttribute("aria-busy", "true");
    try {
      /** @type {import("../api.js").ApiResponse<Api.Page<Api.Webhook>>} */
      const { data: page } = await get(`/api/webhooks?${toQuery({ limit: ITEMS, cursor })}`, {
        signal: AbortSignal.any([mine.signal, signal]),
      });
      setChildren(list, page.items.length ? rows(page) : nothing());
    } catch (error) {
      if (!mine.signal.aborted && !signal.aborted) setChildren(list, errorState(error, load));
    } finally {
      if (mine === loading) list.removeAttribute("aria-busy");
    }
  };
  const tests = webhookTests(signal, load);
  /** @param {Api.Page<Api.Webhook>} page */
  const rows = (page) => [
    table({
      caption: "Webhooks",
      columns: webhookColumns(act, load, tests),
      items: page.items,
      key: (each) => each.id,
      rowClass: (each) => (each.enabled ? "" : "inactive"),
    }),
    (page.next || page.prev) && pager({ text: "", page, onGo: goTo }),
  ];
  const nothing = () =>
    emptyState(
      "No webhooks yet",
      "A webhook notifies another system when an import ends or products change.",
      newButton("first"),
    );
  /** @param {string} target */
  const goTo = (target) => {
    cursor = target;
    updateUrl(PATH, { cursor }, { replace: false });
    load();
  };
  /** @param {string} key */
  const newButton = (key) =>
    needs(
      "admin",
      button("New webhook", { key, kind: "primary", symbol: "plus", click: act(() => editWebhook(null)) }),
    );
  main.append(
    h(
      "div",
      { class: "section-head page-head" },
      h("h1", { tabindex: "-1" }, "Webhooks"),
      h("div", { class: "actions" }, newButton("new")),
    ),
    h(
      "p",
      { class: "lead" },
      "Webhooks notify your server when something changes. Requests are signed, retried on failure and logged.",
    ),
    lacking("admin", "Your token can't change webhooks: that needs the admin scope."),
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
