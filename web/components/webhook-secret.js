// A secret, shown this once.

import { h } from "../dom.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";

export function showSecret(secret) {
  return openDialog({
    title: "The secret of this webhook",
    dismissible: false,
    fill: (close) => [
      h(
        "p",
        {},
        "Your system needs it to check that a delivery comes from here. It is shown this once and cannot be read again.",
      ),
      h(
        "p",
        { class: "secret" },
        h("code", { class: "breakable" }, secret),
        copyButton("Copy", () => secret, "The secret was copied."),
      ),
      h(
        "footer",
        { class: "actions end" },
        h("button", { type: "button", class: "button primary", on: { click: () => close(true) } }, "I have kept it"),
      ),
    ],
  });
}
