// What is said of a webhook.

import { h } from "../dom.js";
import { when } from "../format.js";
import { icon } from "./icons.js";

/** Events as words that can be read in a row. */
export const eventNames = (events) =>
  events.includes("*") ? "every event" : events.map((each) => h("code", { class: "chip" }, each));

/** Why nothing arrives, where nothing does. */
export function trouble(webhook) {
  const text =
    !webhook.enabled && webhook.disabled_reason
      ? `Switched off: ${webhook.disabled_reason}`
      : webhook.failing_since
        ? `Failing since ${when(webhook.failing_since)}`
        : null;
  return text && h("span", { class: "trouble" }, icon("warning"), text);
}

/** Everything that is known of one. */
export function webhookFacts(webhook) {
  const fact = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const headers = Object.keys(webhook.headers);
  return [
    webhook.description && h("p", { class: "lead" }, webhook.description),
    trouble(webhook),
    h(
      "dl",
      { class: "facts" },
      fact("State", webhook.enabled ? "on" : "off"),
      fact("Events", h("span", {}, eventNames(webhook.events))),
      headers.length > 0 &&
        fact(
          "Headers",
          h(
            "span",
            {},
            headers.map((name) => h("code", { class: "chip" }, name)),
          ),
        ),
      fact("Made", when(webhook.created_at)),
      webhook.secret_expires_at && fact("Old secret works until", when(webhook.secret_expires_at)),
    ),
  ];
}
