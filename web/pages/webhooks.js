// Webhooks: who is told when something happens here.

import { get, patch } from "../api.js";
import { link, remember } from "../address.js";
import { icon } from "../components/icons.js";
import { deliveryResult } from "../components/delivery-status.js";
import { report, tell } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyState, errorState } from "../components/states.js";
import { switchButton } from "../components/switch.js";
import { skeleton, table } from "../components/table.js";
import { deleteWebhook, testWebhook } from "../components/webhook-actions.js";
import { editWebhook } from "../components/webhook-form.js";
import { h, refill } from "../dom.js";
import { when } from "../format.js";

const PATH = "/webhooks";
const ITEMS = 20;

export function open({ main, query, signal }) {
  let cursor = query.get("cursor") ?? "";
  const list = h("div", { class: "list-region" }, skeleton(3));
  const act = (action) => async () => {
    try {
      if (await action()) await load();
    } catch (error) {
      if (!signal.aborted) report(error);
    }
  };
  const load = async () => {
    list.setAttribute("aria-busy", "true");
    try {
      const page = (await get(`/api/webhooks?${new URLSearchParams({ limit: ITEMS, ...(cursor ? { cursor } : {}) })}`, { signal })).data;
      refill(list, page.items.length ? drawn(page) : emptyState("No webhooks yet", "A webhook tells another system of yours when an import has ended, or products have changed.", newButton("first")));
    } catch (error) {
      if (!signal.aborted) refill(list, errorState(error, load));
    } finally {
      list.removeAttribute("aria-busy");
    }
  };
  const drawn = (page) => [
    table({ caption: "Webhooks", columns: columns(act, load, signal), items: page.items, key: (each) => each.id, rowClass: (each) => (each.enabled ? "" : "inactive") }),
    (page.next || page.prev) && pager({ text: "", page, onGo: (wanted) => {
      cursor = wanted;
      remember(PATH, { cursor }, { replace: false });
      load();
    } }),
  ];
  const newButton = (key) => h("button", { type: "button", class: "button primary", data: { key }, on: { click: act(() => editWebhook(null)) } }, icon("plus"), "New webhook");
  main.append(
    h("div", { class: "section-head page-head" }, h("h1", { tabindex: "-1" }, "Webhooks"), h("div", { class: "actions" }, newButton("new"))),
    h("p", { class: "lead" }, "Each webhook is an address of yours that is called when something happens here: signed, tried again when it fails, and written down."),
    list);
  load();
  return {
    change: (changed) => {
      cursor = changed.get("cursor") ?? "";
      load();
    },
  };
}

function columns(act, load, signal) {
  const flip = async (webhook, enabled) => {
    await patch(`/api/webhooks/${webhook.id}`, { enabled });
    tell(enabled ? "The webhook is on." : "The webhook is off. Nothing is sent to it.");
    load();
  };
  return [
    { title: "Address", class: "main-cell", cell: (each) => [h("a", { class: "breakable", href: link(`${PATH}/${each.id}`), data: { key: `webhook-${each.id}` } }, each.url), each.description && h("span", { class: "origin" }, each.description), trouble(each)] },
    { title: "Events", class: "events-cell", cell: (each) => eventNames(each.events) },
    { title: "On", cell: (each) => switchButton({ on: each.enabled, label: `${each.url} is on`, key: `enabled-${each.id}`, write: (enabled) => flip(each, enabled) }) },
    { title: "Last delivery", class: "changed-cell", cell: (each) => (each.last_delivery ? [deliveryResult(each.last_delivery), h("span", { class: "origin" }, when(each.last_delivery.at))] : h("span", { class: "hint" }, "none yet")) },
    { spoken: "Actions", class: "action-cell", cell: (each) => h("div", { class: "actions" },
      h("button", { type: "button", class: "button", "aria-label": `Test ${each.url}`, data: { key: `test-${each.id}` }, on: { click: act(() => testWebhook(each, signal)) } }, icon("send"), "Test"),
      h("button", { type: "button", class: "icon-button", "aria-label": `Edit ${each.url}`, data: { key: `edit-${each.id}` }, on: { click: act(() => editWebhook(each.id)) } }, icon("pencil")),
      h("button", { type: "button", class: "icon-button", "aria-label": `Delete ${each.url}`, data: { key: `delete-${each.id}` }, on: { click: act(() => deleteWebhook(each)) } }, icon("bin"))) },
  ];
}

/** Events as words that can be read in a row. */
export const eventNames = (events) => (events.includes("*") ? "every event" : events.map((each) => h("code", { class: "chip" }, each)));

/** Why nothing arrives, where nothing does. */
export function trouble(webhook) {
  const text = !webhook.enabled && webhook.disabled_reason ? `Switched off: ${webhook.disabled_reason}` : webhook.failing_since ? `Failing since ${when(webhook.failing_since)}` : null;
  return text && h("span", { class: "trouble" }, icon("warning"), text);
}
