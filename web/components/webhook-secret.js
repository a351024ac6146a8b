// A secret, shown this once.

import { h } from "../dom.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";

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
      h(
        "footer",
        { class: "actions end" },
        h("button", { type: "button", class: "button primary", on: { click: () => close(true) } }, "I've saved it"),
      ),
    ],
  });
}
