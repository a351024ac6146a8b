// The position in a list, and the buttons to the previous and next page.

import { h } from "../dom.js";

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
  const cursor = url && new URLSearchParams(url.split("?")[1]).get("cursor");
  // Not `disabled`: that would take the focus from keyboard users on the last page.
  return h(
    "button",
    {
      type: "button",
      class: "button",
      "aria-disabled": url ? null : "true",
      data: { key: `page-${label}` },
      on: { click: () => void (cursor && onGo(cursor)) },
    },
    label,
  );
}
