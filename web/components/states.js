// What is shown when there is nothing to list, or when it could not be loaded.

import { ApiError } from "../api.js";
import { h, setText } from "../dom.js";
import { currentRoute, link, listOf } from "../urls.js";
import { button } from "./button.js";
import { icon } from "./icons.js";

/**
 * A message with an icon, inside a page or form.
 *
 * @param {"bad" | "warn"} kind
 * @param {import("./icons.js").IconName} symbol
 * @param {string} text
 */
export const message = (kind, symbol, text) => h("p", { class: `message ${kind}` }, icon(symbol), text);

/**
 * @param {string} title
 * @param {string} text
 * @param {...Ui.Child} actions
 */
export function emptyState(title, text, ...actions) {
  return h(
    "div",
    { class: "empty" },
    h("p", { class: "empty-title" }, title),
    text && h("p", { class: "hint" }, text),
    actions.length > 0 && h("p", { class: "actions" }, actions),
  );
}

/**
 * A page of a list that is now empty, as an old link may lead to.
 *
 * @param {string} text
 * @param {string} first The link to the first page.
 */
export const emptyPage = (text, first) =>
  emptyState("This page is empty", text, h("a", { class: "button", href: first }, "Go to first page"));

/**
 * A failure in the place of what could not be loaded. Retries by itself once the connection is back. Leads to the list
 * if trying again cannot help.
 *
 * @param {unknown} error
 * @param {() => unknown} retry
 */
export function errorState(error, retry) {
  const isOffline = error instanceof ApiError && error.status === 0;
  const element = h(
    "div",
    { class: "empty failure", role: "alert" },
    h("p", { class: "empty-title" }, isOffline ? "Can't reach the server" : titleOf(error)),
    h("p", { class: "hint" }, textOf(error)),
    h("p", { class: "actions" }, isFinal(error) ? listLink() : button("Try again", { key: "again", click: retry })),
  );
  if (isOffline) addEventListener("online", () => element.isConnected && retry(), { once: true });
  return element;
}

/** A link from a page that does not exist to the list that it would belong to. */
export function listLink() {
  const { path, name } = listOf(currentRoute().path);
  return h("a", { class: "button", href: link(path), data: { key: "again" } }, `Go to ${name}`);
}

/**
 * Whether the same request would fail again.
 *
 * @param {unknown} error
 */
const isFinal = (error) => error instanceof ApiError && !error.isTemporary;

/** @param {unknown} error */
const titleOf = (error) => (error instanceof ApiError && error.problem.title) || "Couldn't load this";

/** @param {unknown} error */
function textOf(error) {
  if (error instanceof ApiError) return error.status === 404 ? `${error.text}. It may have been deleted.` : error.text;
  return error instanceof Error ? error.message : String(error);
}

/**
 * A warning above data that is polled, shown while the server cannot be reached. Null hides it.
 *
 * @returns {Ui.View<ApiError | null>}
 */
export function outageMessage() {
  const element = h("p", { class: "message warn", role: "status", hidden: true });
  /** @param {ApiError | null} error */
  const show = (error) => {
    element.hidden = error === null;
    setText(element, error ? `${error.text} Retrying automatically.` : "");
  };
  return { element, show };
}
