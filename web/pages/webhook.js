// One webhook: what was delivered to it, how fast, what failed, and the ways to send it again.

import { get, post } from "../api.js";
import { link } from "../address.js";
import { button } from "../components/button.js";
import { showDelivery } from "../components/delivery.js";
import { deliveryColumns } from "../components/delivery-table.js";
import { latencies } from "../components/latencies.js";
import { report, tell } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyState, errorState } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { deleteWebhook, redeliverFailed, rotateSecret, testWebhook } from "../components/webhook-actions.js";
import { webhookFacts } from "../components/webhook-facts.js";
import { editWebhook } from "../components/webhook-form.js";
import { h, refill, setText } from "../dom.js";

const ITEMS = 50;
const REFRESH_MS = 2000;
const STATUSES = { "": "All", delivered: "Delivered", failed: "Failed", pending: "Pending" };

export function open({ main, id, signal }) {
  let webhook = null;
  let cursor = "";
  let timer;
  const title = h("h1", { tabindex: "-1", class: "breakable" }, "Webhook");
  const about = h("div", { class: "stack" });
  const picture = h("div");
  const list = h("div", { class: "list-region" }, skeleton(5));
  const filter = h(
    "select",
    { id: "delivery-status" },
    Object.entries(STATUSES).map(([value, label]) => h("option", { value }, label)),
  );
  const act = (action) => async () => {
    try {
      if (await action()) await load();
    } catch (error) {
      if (!signal.aborted) report(error);
    }
  };
  const deliveries = async () => {
    clearTimeout(timer);
    list.setAttribute("aria-busy", "true");
    await refresh();
    list.removeAttribute("aria-busy");
  };
  const refresh = async () => {
    try {
      const parameters = Object.entries({ status: filter.value, limit: ITEMS, cursor }).filter(([, value]) => value);
      const page = (await get(`/api/webhooks/${id}/deliveries?${new URLSearchParams(parameters)}`, { signal })).data;
      if (!cursor && !filter.value) latencies(picture, page.items);
      refill(
        list,
        page.items.length
          ? drawn(page)
          : emptyState(
              "No deliveries",
              filter.value
                ? "None is in this state."
                : "Nothing has happened yet that this webhook is told of. Send a test.",
            ),
      );
      if (page.items.some((each) => each.status === "pending")) timer = setTimeout(refresh, REFRESH_MS);
    } catch (error) {
      if (!signal.aborted) refill(list, errorState(error, deliveries));
    }
  };
  const load = async () => {
    try {
      webhook = (await get(`/api/webhooks/${id}`, { signal })).data;
    } catch (error) {
      if (!signal.aborted) refill(about, errorState(error, load));
      return;
    }
    setText(title, webhook.url);
    document.title = `${webhook.url} – Product Importer`;
    refill(about, webhookFacts(webhook), actions());
    await deliveries();
  };
  const doing = (label, key, picture, action, kind) => button(label, { key, kind, picture, click: act(action) });
  const actions = () =>
    h(
      "div",
      { class: "actions" },
      doing("Send a test", "test", "send", () => testWebhook(webhook, signal), "primary"),
      doing("Edit", "edit", "pencil", () => editWebhook(id)),
      doing("New secret", "rotate", "key", () => rotateSecret(webhook)),
      doing("Send failed ones again", "redeliver", "again", () => redeliverFailed(webhook)),
      doing(
        "Delete",
        "delete",
        "bin",
        async () => {
          if (await deleteWebhook(webhook)) location.hash = link("/webhooks");
        },
        "danger-quiet",
      ),
    );
  const again = async (delivery) => {
    await post(`/api/deliveries/${delivery.id}/redeliver`);
    tell("It is delivered again.");
    return true;
  };
  const drawn = (page) => [
    table({
      caption: "Deliveries, the newest first",
      columns: deliveryColumns((each) => act(() => showDelivery(each.id, again))),
      items: page.items,
      key: (each) => each.id,
    }),
    (page.next || page.prev) &&
      pager({
        text: "The newest first",
        page,
        onGo: (wanted) => {
          cursor = wanted;
          deliveries();
        },
      }),
  ];
  filter.addEventListener("change", () => {
    cursor = "";
    deliveries();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  main.append(
    h("p", { class: "back" }, h("a", { href: link("/webhooks") }, "← All webhooks")),
    title,
    about,
    h(
      "section",
      { "aria-labelledby": "deliveries" },
      h(
        "div",
        { class: "section-head" },
        h("h2", { id: "deliveries" }, "Deliveries"),
        h("div", { class: "beside" }, h("label", { for: "delivery-status" }, "Show"), filter),
      ),
      picture,
      list,
    ),
  );
  load();
}
