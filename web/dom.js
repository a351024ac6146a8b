// Elements, made by code. Text goes in as text: there is no way from here to markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children. `on` holds listeners, `data` the dataset; null, undefined and false are left out. */
export function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(made, { on = {}, data = {}, ...attributes }, children) {
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "value" || name === "checked" || name === "textContent") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

/**
 * Puts new children in the place of the old ones. Where the focus was inside, it goes to the new element with the same
 * `data-key`, so that a list can be drawn anew under the hands of somebody who uses the keyboard; where there is none, to
 * the heading of the page.
 */
export function refill(parent, ...children) {
  const focused = document.activeElement;
  const key = parent.contains(focused) && focused !== parent ? (focused.dataset.key ?? "") : null;
  parent.replaceChildren(
    ...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false),
  );
  if (key !== null && !focusKey(key, parent)) document.querySelector("main h1")?.focus();
}

/** Moves the focus to the element with this `data-key`; tells whether there was one. */
export function focusKey(key, within = document) {
  const found = within.querySelector(`[data-key="${CSS.escape(key)}"]`);
  found?.focus();
  return Boolean(found);
}

/** Writes a text only where it differs, so that screen readers are not told the same thing twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let ids = 0;

/** An id that no other element has, for labels and descriptions. */
export const uniqueId = (prefix) => `${prefix}-${++ids}`;
