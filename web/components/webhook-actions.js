// What a user can do with a webhook besides editing it.

import { ApiError, create, post, remove } from "../api.js";
import { h } from "../dom.js";
import { counted } from "../format.js";
import { button } from "./button.js";
import { busy, confirm, openDialog, problemMessage } from "./dialog.js";
import { field, showErrors } from "./fields.js";
import { notify } from "./notices.js";
import { showWebhookSecret } from "./secret.js";

const DAY_MS = 24 * 3600 * 1000;
const MINUTE_MS = 60_000;

/**
 * Asks, then deletes the webhook. Resolves with true once it is gone.
 *
 * @param {Api.Webhook} webhook
 */
export async function deleteWebhook(webhook) {
  const deleted = await confirm({
    title: "Delete this webhook?",
    text: `${webhook.url} will no longer receive events, and its delivery log will be deleted.`,
    action: "Delete",
    act: () => removeIfPresent(`/api/webhooks/${webhook.id}`),
  });
  if (deleted) notify("Webhook deleted.");
  return deleted;
}

/**
 * Deletes something that another user may have deleted in the meantime.
 *
 * @param {string} path
 */
async function removeIfPresent(path) {
  try {
    await remove(path);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}

/**
 * Asks, then replaces the secret and shows the new one once. Resolves with true if it was replaced.
 *
 * @param {Api.Webhook} webhook
 */
export async function rotateSecret(webhook) {
  let secret = "";
  const rotated = await confirm({
    title: "Rotate the secret?",
    text: "Both secrets will sign deliveries for 24 hours, so you can switch over. Then the old one stops working.",
    action: "Rotate secret",
    act: async () => {
      /** @type {import("../api.js").ApiResponse<{ secret: string }>} */
      const { data } = await post(`/api/webhooks/${webhook.id}/rotate-secret`);
      secret = data.secret;
    },
  });
  if (rotated) await showWebhookSecret(secret);
  return rotated;
}

/**
 * Redelivers everything that has failed since a time the user chooses. Resolves with true if it did.
 *
 * @param {Api.Webhook} webhook
 */
export async function redeliverFailed(webhook) {
  /** @param {(redelivered?: number) => void} close */
  const fill = (close) => redeliverForm(webhook, close);
  const redelivered = await openDialog({ title: "Retry failed deliveries", fill });
  if (redelivered === undefined) return false;
  notify(`Retrying ${counted(redelivered, "delivery", "deliveries")}.`);
  return true;
}

/**
 * @param {Api.Webhook} webhook
 * @param {(redelivered?: number) => void} close
 */
function redeliverForm(webhook, close) {
  const problem = problemMessage();
  const since = field({
    label: "Failed since",
    make: (attributes) =>
      h("input", { ...attributes, type: "datetime-local", required: true, value: localTime(Date.now() - DAY_MS) }),
  });
  const proceed = h("button", { class: "button primary" }, "Retry deliveries");
  const redeliver = async () => {
    const body = { since: new Date(since.control.value).toISOString() };
    /** @type {import("../api.js").ApiResponse<{ redelivered: number }>} */
    const { data } = await create(`/api/webhooks/${webhook.id}/redeliver`, body);
    close(data.redelivered);
  };
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    const error = await busy(proceed, problem, redeliver);
    if (error instanceof ApiError && error.status === 422) showErrors({ since }, error.errors);
  };
  return h(
    "form",
    { on: { submit } },
    since.element,
    problem,
    h("footer", { class: "actions end" }, button("Cancel", { click: () => close() }), proceed),
  );
}

/**
 * A time as an input for local times expects it.
 *
 * @param {number} time In milliseconds since the epoch.
 */
const localTime = (time) => new Date(time - new Date(time).getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
