// What is said of a webhook.

import { h, refill } from "../dom.js";
import { when } from "../format.js";
import { deliveryResult } from "./delivery-status.js";
import { icon } from "./icons.js";

/** Events as words that can be read in a row. */
export const eventNames = (events) => (events.includes("*") ? "All events" : chips(events));

/** Why nothing arrives, where nothing does. */
export function trouble(webhook) {
  const text =
    !webhook.enabled && webhook.disabled_reason
      ? `Turned off: ${webhook.disabled_reason}`
      : webhook.failing_since
        ? `Failing since ${when(webhook.failing_since)}`
        : null;
  return text && h("span", { class: "trouble" }, icon("warning"), text);
}

/** `{element, show(webhook)}`: everything that is known of one. What troubles it is read out when it comes up. */
export function webhookFacts() {
  const about = h("div");
  const state = h("div", { role: "status" });
  const facts = h("dl", { class: "facts" });
  const show = (webhook) => {
    refill(about, webhook.description && h("p", { class: "lead" }, webhook.description));
    const troubled = trouble(webhook);
    if (state.textContent !== (troubled?.textContent ?? "")) refill(state, troubled);
    refill(facts, factsOf(webhook));
  };
  return { element: h("div", {}, about, state, facts), show };
}

function factsOf(webhook) {
  const fact = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
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

const chips = (names) => names.map((each) => h("code", { class: "chip" }, each));
