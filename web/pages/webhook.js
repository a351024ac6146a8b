// One webhook: its deliveries, how fast they were, what failed, and how to retry.

import { needs } from "../access.js";
import { ApiError, get, post } from "../api.js";
import { button } from "../components/button.js";
import { showDelivery } from "../components/delivery-dialog.js";
import { deliveryColumns } from "../components/delivery-table.js";
import { notify, reporting } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { showResponseTimes } from "../components/response-times.js";
import { emptyPage, emptyState, errorState, outageMessage } from "../components/states.js";
import { skeleton, table } from "../components/table.js";
import { deleteWebhook, redeliverFailed, rotateSecret } from "../components/webhook-actions.js";
import { webhookFacts } from "../components/webhook-facts.js";
import { editWebhook } from "../components/webhook-form.js";
import { webhookTests } from "../components/webhook-test.js";
import { h, setChildren, setText } from "../dom.js";
import { link, navigate, toQuery, updateUrl } from "../urls.js";
import { watch } from "../watch.js";

/**
 * @typedef {{ status: string, cursor: string }} ListState
 * @typedef {{ page: Api.Page<Api.Delivery>, webhook: Api.Webhook }} Data
 */

const ITEMS = 50;
const DUE_SECONDS = 2; // Between two reads while a delivery is due soon.
const QUIET_SECONDS = 10; // Between two reads otherwise.
const STATUSES = { "": "All", delivered: "Delivered", failed: "Failed", pending: "Pending" };

/** @param {Ui.PageContext} context */
export function open({ main, id, query, signal }) {
  const here = `/webhooks/${id}`;
  const path = `/api${here}`;
  /** @type {ListState} */
  let state = { status: "", cursor: "" };
  /** @type {Api.Webhook | null} */
  let shown = null;
  let watching = new AbortController();
  const title = h("h1", { tabindex: "-1", class: "breakable" }, "Webhook");
  const facts = webhookFacts();
  const outage = outageMessage();
  const chart = h("div");
  const list = h("div", { class: "list-region" }, skeleton(5));
  const filter = statusFilter();
  /** @param {Ui.Action} action */
  const act = (action) =>
    reporting(async () => {
      if (await action()) follow();
    });
  /** Reads the webhook and its deliveries until the page shows something else. */
  const follow = async () => {
    watching.abort();
    watching = new AbortController();
    const mine = AbortSignal.any([watching.signal, signal]);
    list.setAttribute("aria-busy", "true");
    try {
      await watch(`${path}/deliveries?${toQuery({ ...state, limit: ITEMS })}`, {
        signal: mine,
        read,
        show,
        onOutage: outage.show,
      });
    } catch (error) {
      if (mine.aborted) return;
      const isGone = error instanceof ApiError && error.status === 404;
      setChildren(isGone ? body : list, errorState(error, follow));
      list.removeAttribute("aria-busy");
    }
  };
  /**
   * Reads the deliveries first, so that the webhook is never older than they are.
   *
   * @param {string} deliveries
   * @param {{ signal: AbortSignal }} options
   */
  const read = async (deliveries, options) => {
    /** @type {import("../api.js").ApiResponse<Api.Page<Api.Delivery>>} */
    const page = await get(deliveries, options);
    /** @type {import("../api.js").ApiResponse<Api.Webhook>} */
    const webhook = await get(path, options);
    return {
      data: { page: page.data, webhook: webhook.data },
      etag: `${page.etag} ${webhook.etag}`,
      retryAfter: page.data.items.some(isDue) ? DUE_SECONDS : QUIET_SECONDS,
    };
  };
  /** @param {Data} data */
  const show = ({ page, webhook }) => {
    shown = webhook;
    outage.show(null);
    setText(title, webhook.url);
    document.title = `${webhook.url} – Product Importer`;
    facts.show(webhook);
    about.hidden = false;
    // The chart shows the latest deliveries, not a selection of them.
    chart.hidden = Boolean(state.status || state.cursor || !page.items.length);
    showResponseTimes(chart, page.items);
    setChildren(list, page.items.length ? rows(page) : nothing(here, state));
    list.removeAttribute("aria-busy");
  };
  /** @param {URLSearchParams} changed */
  const change = (changed) => {
    const status = changed.get("status") ?? "";
    state = { status: Object.hasOwn(STATUSES, status) ? status : "", cursor: changed.get("cursor") ?? "" };
    filter.value = state.status;
    follow();
  };
  /** @param {Partial<ListState>} changes */
  const set = (changes) => {
    state = { ...state, cursor: "", ...changes };
    updateUrl(here, state, { replace: false });
    follow();
  };
  /** @param {Api.Webhook} webhook */
  const remove = async (webhook) => {
    watching.abort(); // The page cannot show what is about to be deleted.
    if (!(await deleteWebhook(webhook))) return true;
    navigate("/webhooks");
    return false;
  };
  /** @param {Api.Delivery} delivery */
  const redeliver = async (delivery) => {
    await post(`/api/deliveries/${delivery.id}/redeliver`);
    notify("Redelivery started.");
  };
  /** @param {Api.Page<Api.Delivery>} page */
  const rows = (page) => [
    table({
      caption: "Deliveries, newest first",
      columns: deliveryColumns((each) => act(() => showDelivery(each.id, redeliver))()),
      items: page.items,
      key: (each) => each.id,
    }),
    (page.next || page.prev) && pager({ text: "Newest first", page, onGo: (cursor) => set({ cursor }) }),
  ];
  const tests = webhookTests(signal, () => follow());
  /** @param {(webhook: Api.Webhook) => unknown} action */
  const actOnShown = (action) => act(() => shown && action(shown));
  const actions = [
    needs(
      "admin",
      button("Send test", { key: "test", kind: "primary", symbol: "send", click: act(() => tests.run(id)) }),
    ),
    needs("admin", button("Edit", { key: "edit", symbol: "pencil", click: act(() => editWebhook(id)) })),
    needs("admin", button("Rotate secret", { key: "rotate", symbol: "key", click: actOnShown(rotateSecret) })),
    needs(
      "write",
      button("Retry failed deliveries", { key: "redeliver", symbol: "retry", click: actOnShown(redeliverFailed) }),
    ),
    needs("admin", button("Delete", { key: "delete", kind: "danger-quiet", symbol: "bin", click: actOnShown(remove) })),
  ];
  const about = h(
    "div",
    { class: "stack", hidden: true },
    facts.element,
    h("div", {}, h("div", { class: "actions" }, actions), tests.place(id)),
  );
  filter.addEventListener("change", () => set({ status: filter.value }));
  const body = h(
    "div",
    {},
    about,
    outage.element,
    h(
      "section",
      { "aria-labelledby": "deliveries" },
      h(
        "div",
        { class: "section-head" },
        h("h2", { id: "deliveries" }, "Deliveries"),
        h("div", { class: "beside" }, h("label", { for: filter.id }, "Show"), filter),
      ),
      chart,
      list,
    ),
  );
  main.append(h("p", { class: "back" }, h("a", { href: link("/webhooks") }, "← All webhooks")), title, body);
  change(query);
  return { change };
}

const statusFilter = () =>
  h(
    "select",
    { id: "delivery-status" },
    Object.entries(STATUSES).map(([value, label]) => h("option", { value }, label)),
  );

/**
 * @param {string} here
 * @param {ListState} state
 */
function nothing(here, { status, cursor }) {
  if (cursor)
    return emptyPage("The deliveries on it now have another status or are no longer kept.", link(here, { status }));
  return emptyState(
    "No deliveries",
    status ? "No deliveries have this status." : "No events have been sent to this webhook yet. Send a test.",
  );
}

/**
 * Whether a delivery will be attempted soon.
 *
 * @param {Api.Delivery} delivery
 */
const isDue = ({ next_attempt_at: next }) => next !== null && Date.parse(next) - Date.now() < 1000 * QUIET_SECONDS;
