// What stands in the place of things that are not there: none yet, none found, not to be had.

import { h, setText } from "../dom.js";

export function emptyState(title, text, ...actions) {
  return h(
    "div",
    { class: "empty" },
    h("p", { class: "empty-title" }, title),
    text && h("p", { class: "hint" }, text),
    actions.length > 0 && h("p", { class: "actions" }, actions),
  );
}

/** A page of a list from which everything is gone, as an old link may lead to. `first` is the address of the first one. */
export const emptyPage = (text, first) =>
  emptyState("This page is empty", text, h("a", { class: "button", href: first }, "Go to first page"));

/** A failure in the place of what could not be loaded. */
export function errorState(error, again) {
  const title = error.status === 0 ? "Can't reach the server" : (error.problem?.title ?? "Couldn't load this");
  const made = h(
    "div",
    { class: "empty failure", role: "alert" },
    h("p", { class: "empty-title" }, title),
    h("p", { class: "hint" }, error.text ?? error.message),
    h(
      "p",
      { class: "actions" },
      h("button", { type: "button", class: "button", data: { key: "again" }, on: { click: again } }, "Try again"),
    ),
  );
  if (error.status === 0) addEventListener("online", () => made.isConnected && again(), { once: true });
  return made;
}

/** `{element, show(error)}` for what is read again and again: says that it cannot be read now, null that it can again. */
export function lostState() {
  const element = h("p", { class: "message warn", role: "status", hidden: true });
  const show = (error) => {
    element.hidden = error === null;
    setText(element, error ? `${error.text} Retrying automatically.` : "");
  };
  return { element, show };
}
