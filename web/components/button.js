// Buttons, with a label or with only an icon. A button whose action takes time is busy until it ends.

import { h } from "../dom.js";
import { currentRoute } from "../urls.js";
import { icon } from "./icons.js";

/** @type {Map<string, Promise<unknown>>} The actions that have not ended, by page and `data-key`. */
const running = new Map();

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
  const element = h(
    "button",
    { type: "button", class: `button ${kind}`.trim(), data: key ? { key } : {}, "aria-label": spoken },
    symbol && icon(symbol),
    label,
  );
  return onClick(element, click);
}

/**
 * A button that shows only an icon. Screen readers read the label.
 *
 * @param {string} label
 * @param {{ key: string, symbol: import("./icons.js").IconName, click: () => unknown }} options
 */
export function iconButton(label, { key, symbol, click }) {
  const element = h(
    "button",
    { type: "button", class: "icon-button", "aria-label": label, data: { key } },
    icon(symbol),
  );
  return onClick(element, click);
}

/**
 * A button that looks like a link.
 *
 * @param {Ui.Child} label
 * @param {{ key: string, click: () => unknown }} options
 */
export const linkButton = (label, { key, click }) =>
  onClick(h("button", { type: "button", class: "link", data: { key } }, label), click);

/**
 * Runs `action` when `element` is clicked. Until the promise that it returns settles, the element is busy: it keeps the
 * focus and ignores clicks. An element that is drawn in its place, with the same `data-key`, is busy too.
 *
 * @template {HTMLElement} Clickable
 * @param {Clickable} element
 * @param {() => unknown} action
 */
export function onClick(element, action) {
  const { key } = element.dataset;
  const name = key && `${currentRoute().path} ${key}`;
  const earlier = name && running.get(name);
  if (earlier) showBusy(element, earlier);
  element.addEventListener("click", () => {
    if (element.getAttribute("aria-busy") === "true") return;
    const work = action();
    if (!(work instanceof Promise)) return;
    showBusy(element, work);
    if (name) remember(name, work);
  });
  return element;
}

/**
 * @param {string} name
 * @param {Promise<unknown>} work
 */
function remember(name, work) {
  const forget = () => running.delete(name);
  running.set(name, work);
  work.then(forget, forget);
}

/**
 * Not `disabled`: that would take the focus away.
 *
 * @param {HTMLElement} element
 * @param {Promise<unknown>} work
 */
function showBusy(element, work) {
  const done = () => {
    element.removeAttribute("aria-busy");
    element.removeAttribute("aria-disabled");
  };
  element.setAttribute("aria-busy", "true");
  element.setAttribute("aria-disabled", "true");
  work.then(done, done);
}
