// Where one is in a list, and the ways on and back.

import { h } from "../dom.js";

/** `onGo(cursor)` is called with the cursor of the page that is wanted. */
export function pager({ text, page, onGo }) {
  return h(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    h("p", { class: "hint" }, text),
    (page.prev || page.next) && [step("Previous", page.prev, onGo), step("Next", page.next, onGo)],
  );
}

function step(word, address, onGo) {
  const cursor = address && new URLSearchParams(address.split("?")[1]).get("cursor");
  // Not `disabled`: that would take the focus away from whoever comes to the last page with the keyboard.
  return h(
    "button",
    {
      type: "button",
      class: "button",
      "aria-disabled": address ? null : "true",
      data: { key: `page-${word}` },
      on: { click: () => cursor && onGo(cursor) },
    },
    word,
  );
}
