// Webhooks: who is told when something happens here.

import { get } from "../api.js";
import { queryOf, remember } from "../address.js";
import { button } from "../components/button.js";
import { reporting } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyState, errorState } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { editWebhook } from "../components/webhook-form.js";
import { webhookColumns } from "../components/webhook-table.js";
import { h, refill } from "../dom.js";

const PATH = "/webhooks";
const ITEMS = 20;

export function open({ main, query, signal }) {
  let cursor = query.get("cursor") ?? "";
  const list = h("div", { class: "list-region" }, skeleton(3));
  const act = (action) =>
    reporting(async () => {
      if (await action()) await load();
    });
  const load = async () => {
    list.setAttribute("aria-busy", "true");
    try {
      const page = (await get(`/api/webhooks?${queryOf({ limit: ITEMS, cursor })}`, { signal })).data;
      refill(
        list,
        page.items.length
          ? drawn(page)
          : emptyState(
              "No webhooks yet",
              "A webhook notifies another system when an import ends or products change.",
              newButton("first"),
            ),
      );
    } catch (error) {
      if (!signal.aborted) refill(list, errorState(error, load));
    } finally {
      list.removeAttribute("aria-busy");
    }
  };
  const drawn = (page) => [
    table({
      caption: "Webhooks",
      columns: webhookColumns(act, load, signal),
      items: page.items,
      key: (each) => each.id,
      rowClass: (each) => (each.enabled ? "" : "inactive"),
    }),
    (page.next || page.prev) &&
      pager({
        text: "",
        page,
        onGo: (wanted) => {
          cursor = wanted;
          remember(PATH, { cursor }, { replace: false });
          load();
        },
      }),
  ];
  const newButton = (key) =>
    button("New webhook", { key, kind: "primary", picture: "plus", click: act(() => editWebhook(null)) });
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
    list,
  );
  load();
  return {
    change: (changed) => {
      cursor = changed.get("cursor") ?? "";
      load();
    },
  };
}
