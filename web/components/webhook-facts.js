// What the page shows about a webhook.

import { h, setChildren } from "../dom.js";
import { when } from "../format.js";
import { deliveryResult } from "./delivery-status.js";
import { icon } from "./icons.js";

/**
 * The events of a webhook as inline elements.
 *
 * @param {string[]} events
 */
export const eventNames = (events) => (events.includes("*") ? "All events" : chips(events));

/**
 * A warning if the webhook fails or has been turned off by the server.
 *
 * @param {Api.Webhook} webhook
 */
export function webhookWarning(webhook) {
  const text = warningText(webhook);
  return text && h("span", { class: "webhook-warning" }, icon("warning"), text);
}

/** @param {Api.Webhook} webhook */
function warningText({ enabled, disabled_reason: reason, failing_since: since }) {
  if (!enabled && reason) return `Turned off: ${reason}`;
  return since && `Failing since ${when(since)}`;
}

/**
 * Everything known about a webhook. Screen readers read out a warning when it appears.
 *
 * @returns {Ui.View<Api.Webhook>}
 */
export function webhookFacts() {
  const about = h("div");
  const state = h("div", { role: "status" });
  const facts = h("dl", { class: "facts" });
  /** @param {Api.Webhook} webhook */
  const show = (webhook) => {
    setChildren(about, webhook.description && h("p", { class: "lead" }, webhook.description));
    if (state.textContent !== (warningText(webhook) ?? "")) setChildren(state, webhookWarning(webhook));
    setChildren(facts, factsOf(webhook));
  };
  return { element: h("div", {}, about, state, facts), show };
}

/** @param {Api.Webhook} webhook */
function factsOf(webhook) {
  const headers = Object.keys(webhook.headers);
  const last = webhook.last_delivery;
  return [
    fact("State", webhook.enabled ? "On" : "Off"),
    last && fact("Last response", deliveryResult(last), h("span", { class: "hint" }, when(last.at))),
    fact("Events", h("span", {}, eventNames(webhook.events))),
    headers.length > 0 && fact("Headers", h("span", {}, chips(headers))),
    fact("Created", when(webhook.created_at)),
    webhook.secret_expires_at && fact("Old secret valid until", when(webhook.secret_expires_at)),
  ];
}

/**
 * @param {string} name
 * @param {...Ui.Child} value
 */
const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

/** @param {string[]} names */
const chips = (names) => names.map((each) => h("code", { class: "chip" }, each));
