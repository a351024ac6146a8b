// Creates elements in code. Text goes in as text: nothing here turns text into markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Creates an element. `on` holds event listeners and `data` the dataset; attributes that are null, undefined or false
 * are left out.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Ui.Attributes} attributes
 * @param {...Ui.Child} children
 */
export function h(name, attributes = {}, ...children) {
  return build(document.createElement(name), attributes, children);
}

/**
 * Creates an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} Name
 * @param {Name} name
 * @param {Ui.Attributes} attributes
 * @param {...Ui.Child} children
 */
export function s(name, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, name), attributes, children);
}

/**
 * @template {HTMLElement | SVGElement} Built
 * @param {Built} element
 * @param {Ui.Attributes} attributes
 * @param {readonly Ui.Child[]} children
 */
function build(element, { on = {}, data = {}, ...attributes }, children) {
  for (const [event, listener] of Object.entries(on))
    element.addEventListener(event, /** @type {EventListener} */ (listener));
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    // These attributes only set the initial state; the properties set the current one.
    if (name === "value" || name === "checked") Object.assign(element, { [name]: value });
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

/**
 * @param {readonly Ui.Child[]} children
 * @returns {(Node | string)[]}
 */
function flat(children) {
  return children.flatMap((each) => {
    if (each === null || each === undefined || each === false) return [];
    return typeof each === "string" || each instanceof Node ? [each] : flat(each);
  });
}

/**
 * Replaces the children of an element. If the focus was inside, it moves to the new element with the same `data-key`,
 * so that a list can be redrawn while someone uses the keyboard. If its row is gone, it moves to the same control of
 * the nearest row, or else to the heading of the page.
 *
 * @param {Element} parent
 * @param {...Ui.Child} children
 */
export function setChildren(parent, ...children) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const keys = focused && parent.contains(focused) && focused !== parent ? keysFrom(focused) : null;
  parent.replaceChildren(...flat(children));
  // The page does not scroll to it: to the user, nothing has moved.
  if (keys && !keys.some((key) => focusKey(key, parent, { preventScroll: true }))) focusHeading();
}

/**
 * The `data-key` of an element in a list, then those of the same control in the rows after it and before it, which are
 * the same but for the key of the row.
 *
 * @param {HTMLElement} element
 */
function keysFrom(element) {
  const { key = "" } = element.dataset;
  const row = /** @type {HTMLElement | null} */ (element.closest("[data-row]"));
  if (!row?.parentElement || !key.endsWith(row.dataset.row ?? "")) return [key];
  const rows = /** @type {HTMLElement[]} */ ([...row.parentElement.children]);
  const at = rows.indexOf(row);
  const name = key.slice(0, key.length - (row.dataset.row ?? "").length);
  return [key, ...[...rows.slice(at + 1), ...rows.slice(0, at).reverse()].map((each) => name + each.dataset.row)];
}

/**
 * Moves the focus to the element with this `data-key`. Returns whether there was one.
 *
 * @param {string} key
 * @param {ParentNode} within
 * @param {FocusOptions} [options]
 */
export function focusKey(key, within = document, options = {}) {
  const found = within.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (found instanceof HTMLElement) found.focus(options);
  return found !== null;
}

/** Moves the focus to the heading of the page. */
export function focusHeading() {
  /** @type {HTMLElement | null} */ (document.querySelector("main h1"))?.focus();
}

/**
 * Sets a text only if it differs, so that screen readers do not repeat it.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * The element of index.html with this id.
 *
 * @param {string} id
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`there is no element with the id ${id}`);
  return element;
}

let ids = 0;

/**
 * An id that no other element has, for labels and descriptions.
 *
 * @param {string} prefix
 */
export const uniqueId = (prefix) => `${prefix}-${++ids}`;
