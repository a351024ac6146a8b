// Shows the secret of a webhook once.

import { h } from "../dom.js";
import { button } from "./button.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";

/** @param {string} secret */
export function showSecret(secret) {
  return openDialog({
    title: "Webhook secret",
    dismissible: false,
    fill: (close) => [
      h("p", {}, "Use this secret to verify that deliveries come from us. You won't be able to see it again."),
      h(
        "p",
        { class: "secret" },
        h("code", { class: "breakable" }, secret),
        copyButton("Copy", () => secret, "Secret copied."),
      ),
      h("footer", { class: "actions end" }, button("I've saved it", { kind: "primary", click: () => close() })),
    ],
  });
}
