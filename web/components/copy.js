// A button that copies a text and confirms it.

import { button } from "./button.js";
import { notify, notifyFailure } from "./notices.js";

/**
 * @param {string} label
 * @param {() => string} text
 * @param {string} confirmation
 */
export function copyButton(label, text, confirmation) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      notify(confirmation);
    } catch {
      notifyFailure("Your browser blocked copying. Select the text and copy it manually.");
    }
  };
  return button(label, { key: `copy-${label}`, click: copy });
}
