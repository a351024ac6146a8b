// Shows a secret once.

import { h } from "../dom.js";
import { button } from "./button.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";

/** @param {{ title: string, text: string, secret: string, copied: string }} options */
export function showSecret({ title, text, secret, copied }) {
  return openDialog({
    title,
    dismissible: false,
    fill: (close) => [
      h("p", {}, text, " You won't be able to see it again."),
      h(
        "p",
        { class: "secret" },
        h("code", { class: "breakable" }, secret),
        copyButton("Copy", () => secret, copied),
      ),
      h("footer", { class: "actions end" }, button("I've saved it", { kind: "primary", click: () => close() })),
    ],
  });
}
