// One webhook: what was delivered to it, how fast, what failed, and the ways to send it again.

import { get, post } from "../api.js";
import { link } from "../address.js";
import { latencies } from "../components/latencies.js";
import { showDelivery } from "../components/delivery.js";
import { deliveryResult } from "../components/delivery-status.js";
import { icon } from "../components/icons.js";
import { report, tell } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyState, errorState } from "../components/states.js";
import { statusBadge } from "../components/status.js";
import { skeleton, table } from "../components/table.js";
import { deleteWebhook, redeliverFailed, rotateSecret, testWebhook } from "../components/webhook-actions.js";
import { editWebhook } from "../components/webhook-form.js";
import { h, refill, setText } from "../dom.js";
import { count, when, whenExactly } from "../format.js";
import { eventNames, trouble } from "./webhooks.js";

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
  const filter = h("select", { id: "delivery-status" }, Object.entries(STATUSES).map(([value, label]) => h("option", { value }, label)));
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
      refill(list, page.items.length ? drawn(page) : emptyState("No deliveries", filter.value ? "None is in this state." : "Nothing has happened yet that this webhook is told of. Send a test."));
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
    refill(about, facts(webhook), actions());
    await deliveries();
  };
  const button = (label, key, picture, action, kind = "") => h("button", { type: "button", class: `button ${kind}`, data: { key }, on: { click: act(action) } }, icon(picture), label);
  const actions = () => h("div", { class: "actions" },
    button("Send a test", "test", "send", () => testWebhook(webhook, signal), "primary"),
    button("Edit", "edit", "pencil", () => editWebhook(id)),
    button("New secret", "rotate", "key", () => rotateSecret(webhook)),
    button("Send failed ones again", "redeliver", "again", () => redeliverFailed(webhook)),
    button("Delete", "delete", "bin", async () => {
      if (await deleteWebhook(webhook)) location.hash = link("/webhooks");
    }, "danger-quiet"));
  const again = async (delivery) => {
    await post(`/api/deliveries/${delivery.id}/redeliver`);
    tell("It is delivered again.");
    return true;
  };
  const drawn = (page) => [
    table({ caption: "Deliveries, the newest first", columns: columns((each) => act(() => showDelivery(each.id, again))), items: page.items, key: (each) => each.id }),
    (page.next || page.prev) && pager({ text: "The newest first", page, onGo: (wanted) => {
      cursor = wanted;
      deliveries();
    } }),
  ];
  filter.addEventListener("change", () => {
    cursor = "";
    deliveries();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  main.append(h("p", { class: "back" }, h("a", { href: link("/webhooks") }, "← All webhooks")), title, about,
    h("section", { "aria-labelledby": "deliveries" },
      h("div", { class: "section-head" }, h("h2", { id: "deliveries" }, "Deliveries"), h("div", { class: "beside" }, h("label", { for: "delivery-status" }, "Show"), filter)), picture, list));
  load();
}

function facts(webhook) {
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const headers = Object.keys(webhook.headers);
  return [
    webhook.description && h("p", { class: "lead" }, webhook.description),
    trouble(webhook),
    h("dl", { class: "facts" },
      fact("State", webhook.enabled ? "on" : "off"),
      fact("Events", h("span", {}, eventNames(webhook.events))),
      headers.length > 0 && fact("Headers", h("span", {}, headers.map((name) => h("code", { class: "chip" }, name)))),
      fact("Made", when(webhook.created_at)),
      webhook.secret_expires_at && fact("Old secret works until", when(webhook.secret_expires_at))),
  ];
}

function columns(open) {
  return [
    { title: "Event", class: "main-cell", cell: (each) => [h("button", { type: "button", class: "link", data: { key: `delivery-${each.id}` }, on: { click: open(each) } }, each.event_type), each.test && h("span", { class: "chip" }, "test")] },
    { title: "Status", cell: (each) => statusBadge(each.status) },
    { title: "Answer", cell: (each) => (each.attempt_count ? deliveryResult(each) : h("span", { class: "hint" }, "none yet")) },
    { title: "Attempts", class: "number", cell: (each) => count(each.attempt_count) },
    { title: "When", class: "changed-cell", cell: (each) => [h("time", { datetime: each.created_at, title: whenExactly(each.created_at) }, when(each.created_at)), each.next_attempt_at && h("span", { class: "origin" }, `tried again ${when(each.next_attempt_at)}`)] },
  ];
}
