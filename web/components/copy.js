// A button that copies a text, and says that it did.

import { h } from "../dom.js";
import { complain, tell } from "./notices.js";

export function copyButton(label, text, copied) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      tell(copied);
    } catch {
      complain("Your browser blocked copying. Select the text and copy it manually.");
    }
  };
  return h("button", { type: "button", class: "button", data: { key: `copy-${label}` }, on: { click: copy } }, label);
}
