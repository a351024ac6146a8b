// Shows a secret once.

import { h } from "../dom.js";
import { button } from "./button.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";

/**
 * @param {string} title
 * @param {string} use What the secret is for.
 * @param {string} secret
 */
export function showSecret(title, use, secret) {
  return openDialog({
    title,
    dismissible: false,
    fill: (close) => [
      h("p", {}, `${use} You won't be able to see it again.`),
      h(
        "p",
        { class: "secret" },
        h("code", { class: "breakable" }, secret),
        copyButton("Copy", () => secret, "Copied."),
      ),
      h("footer", { class: "actions end" }, button("I've saved it", { kind: "primary", click: () => close() })),
    ],
  });
}

/** @param {string} secret */
export const showWebhookSecret = (secret) =>
  showSecret("Webhook secret", "Use this secret to verify that deliveries come from us.", secret);
