// Buttons, with words or with a picture alone.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** `kind` is primary, danger or danger-quiet; `key` tells it from the others when a list is drawn anew. */
export function button(label, { key, kind = "", picture, click, ...attributes }) {
  const common = { type: "button", class: `button ${kind}`, data: key ? { key } : {}, on: { click } };
  return h("button", { ...common, ...attributes }, picture && icon(picture), label);
}

/** Only screen readers hear the label. */
export function iconButton(label, { key, picture, click }) {
  const common = { type: "button", class: "icon-button", data: { key }, on: { click } };
  return h("button", { ...common, "aria-label": label }, icon(picture));
}
