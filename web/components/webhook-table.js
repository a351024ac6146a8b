// The columns of the list of webhooks.

import { needs } from "../access.js";
import { patch } from "../api.js";
import { h } from "../dom.js";
import { when } from "../format.js";
import { link } from "../urls.js";
import { button, iconButton } from "./button.js";
import { deliveryResult } from "./delivery-status.js";
import { notify } from "./notices.js";
import { switchButton } from "./switch.js";
import { deleteWebhook } from "./webhook-actions.js";
import { eventNames, webhookWarning } from "./webhook-facts.js";
import { editWebhook } from "./webhook-form.js";

/**
 * `act` turns an action into a click handler; `reload` reloads the list.
 *
 * @param {(action: Ui.Action) => () => unknown} act
 * @param {() => unknown} reload
 * @param {ReturnType<typeof import("./webhook-test.js").webhookTests>} tests
 * @returns {Ui.Column<Api.Webhook>[]}
 */
export function webhookColumns(act, reload, tests) {
  /** @type {(webhook: Api.Webhook, enabled: boolean) => Promise<void>} */
  const setEnabled = async (webhook, enabled) => {
    await patch(`/api/webhooks/${webhook.id}`, { enabled });
    notify(enabled ? "Webhook turned on." : "Webhook turned off. Nothing will be sent to it.");
    reload();
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
        webhookWarning(each),
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
          scope: "admin",
          save: (enabled) => setEnabled(each, enabled),
        }),
    },
    {
      title: "Last delivery",
      class: "changed-cell",
      cell: ({ last_delivery: last }) =>
        last
          ? [deliveryResult(last), h("span", { class: "origin" }, when(last.at))]
          : h("span", { class: "hint" }, "None yet"),
    },
    { spoken: "Actions", class: "action-cell", cell: (each) => rowActions(each, act, tests) },
  ];
}

/**
 * @param {Api.Webhook} webhook
 * @param {(action: Ui.Action) => () => unknown} act
 * @param {ReturnType<typeof import("./webhook-test.js").webhookTests>} tests
 */
function rowActions(webhook, act, tests) {
  const { id, url } = webhook;
  return [
    needs(
      "admin",
      h(
        "div",
        { class: "actions" },
        button("Test", { key: `test-${id}`, symbol: "send", spoken: `Test ${url}`, click: act(() => tests.run(id)) }),
        iconButton(`Edit ${url}`, { key: `edit-${id}`, symbol: "pencil", click: act(() => editWebhook(id)) }),
        iconButton(`Delete ${url}`, { key: `delete-${id}`, symbol: "bin", click: act(() => deleteWebhook(webhook)) }),
      ),
    ),
    tests.place(id),
  ];
}
