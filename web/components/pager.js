// The position in a list, and the buttons to the previous and next page.

import { h } from "../dom.js";
import { count } from "../format.js";

/**
 * Numbers the items of the pages that the user opens one after another. A list does not say where a page is, so the
 * numbers of a page that is opened by its link are not known.
 */
export function positions() {
  /** @type {Map<string, { start: number } | { end: number }>} How many items are before or up to the end of a page. */
  const known = new Map();
  /**
   * Returns the range of the items of a page, as in "51–100", or "" if it is not known. A page of long items has fewer
   * than were asked for, so the start of a previous page is known only once it is read.
   *
   * @param {URLSearchParams} query What the page was requested with.
   * @param {Pick<Api.Page<unknown>, "items" | "next" | "prev">} page
   */
  return (query, page) => {
    const shown = page.items.length;
    const place = page.prev ? known.get(String(query)) : { start: 0 };
    if (!place) return "";
    const start = "start" in place ? place.start : Math.max(0, place.end - shown);
    known.set(String(query), { start });
    if (page.next) known.set(withCursor(query, page.next), { start: start + shown });
    if (page.prev) known.set(withCursor(query, page.prev), { end: start });
    return `${count(start + 1)}–${count(start + shown)}`;
  };
}

/**
 * The same query for another page.
 *
 * @param {URLSearchParams} query
 * @param {string} url A link to that page.
 */
function withCursor(query, url) {
  const other = new URLSearchParams(query);
  other.set("cursor", cursorOf(url));
  return String(other);
}

/** @param {string} url */
const cursorOf = (url) => new URLSearchParams(url.split("?")[1]).get("cursor") ?? "";

/**
 * @param {{
 *   text: string,
 *   page: Pick<Api.Page<unknown>, "next" | "prev">,
 *   onGo: (cursor: string) => unknown,
 * }} options `onGo` is called with the cursor of the requested page.
 */
export function pager({ text, page, onGo }) {
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    h("p", { class: "hint" }, text),
    (page.prev || page.next) && [step("Previous", page.prev, onGo), step("Next", page.next, onGo)],
  );
}

/**
 * @param {string} label
 * @param {string | null} url
 * @param {(cursor: string) => unknown} onGo
 */
function step(label, url, onGo) {
  /** @param {Event} event */
  const go = ({ currentTarget }) => {
    if (!url) return;
    const region = currentTarget instanceof Element ? currentTarget.closest(".list-region") : null;
    region?.scrollIntoView();
    onGo(cursorOf(url));
  };
  // Not `disabled`: that would take the focus from keyboard users on the last page.
  return h(
    "button",
    {
      type: "button",
      class: "button",
      "aria-disabled": url ? null : "true",
      data: { key: `page-${label}` },
      on: { click: go },
    },
    label,
  );
}
