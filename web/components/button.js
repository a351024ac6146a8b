// Buttons, with a label or with only an icon.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/**
 * `kind` is primary, danger or danger-quiet. `key` identifies the button when a list is redrawn. `spoken` replaces the
 * label for screen readers.
 *
 * @param {string} label
 * @param {{
 *   click: () => unknown,
 *   key?: string,
 *   kind?: string,
 *   symbol?: import("./icons.js").IconName,
 *   spoken?: string,
 * }} options
 */
export function button(label, { click, key, kind = "", symbol, spoken }) {
  return h(
    "button",
    {
      type: "button",
      class: `button ${kind}`.trim(),
      data: key ? { key } : {},
      "aria-label": spoken,
      on: { click: () => void click() },
    },
    symbol && icon(symbol),
    label,
  );
}

/**
 * A button that shows only an icon. Screen readers read the label.
 *
 * @param {string} label
 * @param {{ key: string, symbol: import("./icons.js").IconName, click: () => unknown }} options
 */
export function iconButton(label, { key, symbol, click }) {
  return h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, data: { key }, on: { click: () => void click() } },
    icon(symbol),
  );
}
