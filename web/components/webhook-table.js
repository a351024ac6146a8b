// The columns of the list of webhooks.

import { patch } from "../api.js";
import { link } from "../address.js";
import { h } from "../dom.js";
import { when } from "../format.js";
import { button, iconButton } from "./button.js";
import { deliveryResult } from "./delivery-status.js";
import { tell } from "./notices.js";
import { switchButton } from "./switch.js";
import { deleteWebhook, testWebhook } from "./webhook-actions.js";
import { eventNames, trouble } from "./webhook-facts.js";
import { editWebhook } from "./webhook-form.js";

/** `act(action)` makes a listener of an action; `load()` draws the list anew. */
export function webhookColumns(act, load, signal) {
  const flip = async (webhook, enabled) => {
    await patch(`/api/webhooks/${webhook.id}`, { enabled });
    tell(enabled ? "Webhook turned on." : "Webhook turned off. Nothing will be sent to it.");
    load();
  };
  return [
    {
      title: "URL",
      class: "main-cell",
      cell: (each) => [
        h(
          "a",
          { class: "breakable", href: link(`/webhooks/${each.id}`), data: { key: `webhook-${each.id}` } },
          each.url,
        ),
        each.description && h("span", { class: "origin" }, each.description),
        trouble(each),
      ],
    },
    { title: "Events", class: "events-cell", cell: (each) => eventNames(each.events) },
    {
      title: "On",
      cell: (each) =>
        switchButton({
          on: each.enabled,
          label: `${each.url} is on`,
          key: `enabled-${each.id}`,
          write: (enabled) => flip(each, enabled),
        }),
    },
    {
      title: "Last delivery",
      class: "changed-cell",
      cell: (each) =>
        each.last_delivery
          ? [deliveryResult(each.last_delivery), h("span", { class: "origin" }, when(each.last_delivery.at))]
          : h("span", { class: "hint" }, "None yet"),
    },
    {
      spoken: "Actions",
      class: "action-cell",
      cell: (each) =>
        h(
          "div",
          { class: "actions" },
          button("Test", {
            key: `test-${each.id}`,
            picture: "send",
            "aria-label": `Test ${each.url}`,
            click: act(() => testWebhook(each, signal)),
          }),
          iconButton(`Edit ${each.url}`, {
            key: `edit-${each.id}`,
            picture: "pencil",
            click: act(() => editWebhook(each.id)),
          }),
          iconButton(`Delete ${each.url}`, {
            key: `delete-${each.id}`,
            picture: "bin",
            click: act(() => deleteWebhook(each)),
          }),
        ),
    },
  ];
}
