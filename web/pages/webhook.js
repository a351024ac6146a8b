// One webhook: what was delivered to it, how fast, what failed, and the ways to send it again.

import { get, post } from "../api.js";
import { go, link, queryOf, remember } from "../address.js";
import { button } from "../components/button.js";
import { showDelivery } from "../components/delivery.js";
import { deliveryColumns } from "../components/delivery-table.js";
import { latencies } from "../components/latencies.js";
import { reporting, tell } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyPage, emptyState, errorState, lostState } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { deleteWebhook, redeliverFailed, rotateSecret, testWebhook } from "../components/webhook-actions.js";
import { webhookFacts } from "../components/webhook-facts.js";
import { editWebhook } from "../components/webhook-form.js";
import { h, refill, setText } from "../dom.js";
import { watch } from "../watch.js";

const ITEMS = 50;
const DUE_SECONDS = 2; // between two looks while something is about to be sent
const QUIET_SECONDS = 10; // and while nothing is
const STATUSES = { "": "All", delivered: "Delivered", failed: "Failed", pending: "Pending" };

export function open({ main, id, query, signal }) {
  const here = `/webhooks/${id}`;
  const path = `/api${here}`;
  let webhook = null;
  let wanted = null; // status and cursor, as they stand in the address
  let watching = new AbortController();
  const title = h("h1", { tabindex: "-1", class: "breakable" }, "Webhook");
  const facts = webhookFacts();
  const lost = lostState();
  const picture = h("div");
  const list = h("div", { class: "list-region" }, skeleton(5));
  const filter = h(
    "select",
    { id: "delivery-status" },
    Object.entries(STATUSES).map(([value, label]) => h("option", { value }, label)),
  );
  const act = (action) =>
    reporting(async () => {
      if (await action()) follow();
    });
  /** Looks at everything here until it is told to look at something else. */
  const follow = async () => {
    watching.abort();
    watching = new AbortController();
    const mine = AbortSignal.any([watching.signal, signal]);
    list.setAttribute("aria-busy", "true");
    try {
      await watch(`${path}/deliveries?${queryOf({ ...wanted, limit: ITEMS })}`, {
        signal: mine,
        read,
        show,
        lost: lost.show,
      });
    } catch (error) {
      if (mine.aborted) return;
      about.hidden = error.status === 404;
      refill(list, errorState(error, follow));
      list.removeAttribute("aria-busy");
    }
  };
  /** The deliveries first: so the webhook is never older than what they tell of it. */
  const read = async (deliveries, options) => {
    const page = await get(deliveries, options);
    const found = await get(path, options);
    return {
      data: { page: page.data, found: found.data },
      etag: `${page.etag} ${found.etag}`,
      retryAfter: page.data.items.some(isDue) ? DUE_SECONDS : QUIET_SECONDS,
    };
  };
  const show = ({ page, found }) => {
    webhook = found;
    lost.show(null);
    setText(title, webhook.url);
    document.title = `${webhook.url} – Product Importer`;
    facts.show(webhook);
    about.hidden = false;
    latencies(picture, wanted.status || wanted.cursor ? [] : page.items);
    refill(list, page.items.length ? drawn(page) : none());
    list.removeAttribute("aria-busy");
  };
  const none = () =>
    wanted.cursor
      ? emptyPage(
          "The deliveries on it now have another status or are no longer kept.",
          link(here, { status: wanted.status }),
        )
      : emptyState(
          "No deliveries",
          wanted.status
            ? "No deliveries have this status."
            : "No events have been sent to this webhook yet. Send a test.",
        );
  const change = (changed) => {
    wanted = { status: changed.get("status") ?? "", cursor: changed.get("cursor") ?? "" };
    filter.value = wanted.status;
    if (filter.selectedIndex < 0) filter.value = wanted.status = ""; // An address may say anything.
    follow();
  };
  const set = (changes) => {
    wanted = { ...wanted, cursor: "", ...changes };
    remember(here, wanted, { replace: false });
    follow();
  };
  const doing = (label, key, symbol, action, kind) => button(label, { key, kind, picture: symbol, click: act(action) });
  const about = h(
    "div",
    { class: "stack", hidden: true },
    facts.element,
    h(
      "div",
      { class: "actions" },
      doing("Send test", "test", "send", () => testWebhook(webhook, signal), "primary"),
      doing("Edit", "edit", "pencil", () => editWebhook(id)),
      doing("Rotate secret", "rotate", "key", () => rotateSecret(webhook)),
      doing("Retry failed deliveries", "redeliver", "again", () => redeliverFailed(webhook)),
      doing(
        "Delete",
        "delete",
        "bin",
        async () => {
          watching.abort(); // What is gone cannot be looked at.
          if (!(await deleteWebhook(webhook))) return true;
          go("/webhooks");
        },
        "danger-quiet",
      ),
    ),
  );
  const again = async (delivery) => {
    await post(`/api/deliveries/${delivery.id}/redeliver`);
    tell("Redelivery started.");
    return true;
  };
  const drawn = (page) => [
    table({
      caption: "Deliveries, newest first",
      columns: deliveryColumns((each) => act(() => showDelivery(each.id, again))),
      items: page.items,
      key: (each) => each.id,
    }),
    (page.next || page.prev) &&
      pager({
        text: "Newest first",
        page,
        onGo: (cursor) => set({ cursor }),
      }),
  ];
  filter.addEventListener("change", () => set({ status: filter.value }));
  main.append(
    h("p", { class: "back" }, h("a", { href: link("/webhooks") }, "← All webhooks")),
    title,
    about,
    lost.element,
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
  change(query);
  return { change };
}

/** Whether something is about to become of it. */
const isDue = ({ next_attempt_at: next }) => next !== null && new Date(next) - Date.now() < 1000 * QUIET_SECONDS;
