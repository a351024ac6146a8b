// Shows the secret of a webhook once.

import { showSecret } from "./secret.js";

/** @param {string} secret */
export const showWebhookSecret = (secret) =>
  showSecret({
    title: "Webhook secret",
    text: "Use this secret to verify that deliveries come from us.",
    secret,
    copied: "Secret copied.",
  });
