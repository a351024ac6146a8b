// What can be done with a webhook besides editing it.

import { create, post, remove } from "../api.js";
import { h } from "../dom.js";
import { counted } from "../format.js";
import { watch } from "../watch.js";
import { deliveryText } from "./delivery-status.js";
import { busy, confirm, openDialog } from "./dialog.js";
import { field, showErrors } from "./fields.js";
import { complain, tell } from "./notices.js";
import { showSecret } from "./webhook-secret.js";

const DAY_MS = 24 * 3600 * 1000;

/** Sends a test event and says what came of it. Resolves with true once it is known. */
export async function testWebhook(webhook, signal) {
  const { data } = await post(`/api/webhooks/${webhook.id}/test`);
  const ended = await watch(`/api/deliveries/${data.id}`, {
    signal,
    show: () => {},
    ended: (each) => each.status !== "pending",
  });
  if (!ended) return false;
  if (ended.status === "delivered") tell(`Test delivered: ${deliveryText(ended)}.`);
  else complain(`Test failed: ${deliveryText(ended)}.`);
  return true;
}

export async function deleteWebhook(webhook) {
  const gone = await confirm({
    title: "Delete this webhook?",
    text: `${webhook.url} will no longer receive events, and its delivery log will be deleted.`,
    action: "Delete",
    act: () => remove(`/api/webhooks/${webhook.id}`),
  });
  if (gone) tell("Webhook deleted.");
  return gone;
}

/** Makes a new secret after asking; shows it once. */
export async function rotateSecret(webhook) {
  let made;
  const agreed = await confirm({
    title: "Rotate the secret?",
    text: "Deliveries will be signed with both secrets for 24 hours, so that you can switch over. After that the old secret stops working.",
    action: "Rotate secret",
    act: async () => {
      made = (await post(`/api/webhooks/${webhook.id}/rotate-secret`)).data;
    },
  });
  if (agreed) await showSecret(made.secret);
  return agreed;
}

/** Sends again all that failed since a moment that is asked for. */
export async function redeliverFailed(webhook) {
  const sent = await openDialog({
    title: "Retry failed deliveries",
    fill: (close) => {
      const problem = h("p", { class: "message bad", role: "alert", hidden: true });
      const since = field({
        label: "Failed since",
        make: (ties) =>
          h("input", { ...ties, type: "datetime-local", required: true, value: local(new Date(Date.now() - DAY_MS)) }),
      });
      const button = h("button", { class: "button primary" }, "Retry deliveries");
      const submit = async (event) => {
        event.preventDefault();
        const error = await busy(button, problem, async () =>
          close(
            (
              await create(`/api/webhooks/${webhook.id}/redeliver`, {
                since: new Date(since.control.value).toISOString(),
              })
            ).data,
          ),
        );
        if (error?.status === 422) showErrors({ since }, error.errors);
      };
      return h(
        "form",
        { on: { submit } },
        since.element,
        problem,
        h(
          "footer",
          { class: "actions end" },
          h("button", { type: "button", class: "button", on: { click: () => close() } }, "Cancel"),
          button,
        ),
      );
    },
  });
  if (sent) tell(`Retrying ${counted(sent.redelivered, "delivery", "deliveries")}.`);
  return Boolean(sent);
}

/** A moment as the field for local times wants it. */
const local = (date) => new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
