// Short messages in a corner: read out by screen readers, never in the way of what is on the page.

import { h } from "../dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 8000;
const NOTICES_MAX = 4;

/** It worked. Goes away by itself, but not while somebody points at it or is inside it. */
export function tell(text, ...more) {
  const made = add("good", "status", text, more);
  const leave = () => (made.matches(":hover, :focus-within") ? setTimeout(leave, SHOWN_MS) : made.remove());
  setTimeout(leave, SHOWN_MS);
}

/** It did not. Stays until it is closed, or something else is done. */
export function complain(text, ...more) {
  add("bad", "alert", text, more);
}

/** Shows an error as what it is. What nobody foresaw also goes to the console. */
export function report(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  complain(error.text ?? `Something went wrong: ${error.message}. Reload the page.`);
  if (error.status === undefined) console.error(error);
}

/** What a click does when `action` may fail: whoever clicked is told. */
export const reporting = (action) => async () => {
  try {
    await action();
  } catch (error) {
    report(error);
  }
};

/** Takes away the complaints about what was tried before. */
export function clearComplaints() {
  for (const each of document.querySelectorAll("#alerts > .bad")) each.remove();
}

function add(kind, region, text, more) {
  const close = h(
    "button",
    { type: "button", class: "icon-button", "aria-label": "Dismiss", on: { click: () => made.remove() } },
    icon("close"),
  );
  const made = h(
    "div",
    { class: `notice ${kind}` },
    icon(kind === "good" ? "check" : "cross"),
    h("p", {}, text, ...more.flatMap((each) => [" ", each])),
    close,
  );
  const place = document.getElementById(region === "alert" ? "alerts" : "messages");
  place.append(made);
  while (place.children.length > NOTICES_MAX) place.firstElementChild.remove();
  return made;
}
