// Short messages in a corner of the page. Screen readers read them out.

import { ApiError } from "../api.js";
import { byId, h } from "../dom.js";
import { icon } from "./icons.js";

const SHOWN_MS = 8000;
const NOTICES_MAX = 4;

/** @typedef {"good" | "warn" | "plain" | "bad"} NoticeKind */

/** @type {Record<NoticeKind, import("./icons.js").IconName>} */
const ICONS = { good: "check", warn: "warning", plain: "stop", bad: "cross" };

/**
 * Confirms that something worked, or says how it ended. Disappears by itself, but not while the pointer or the focus is
 * on it.
 *
 * @param {string} text
 * @param {NoticeKind} kind
 */
export function notify(text, kind = "good") {
  expireLater(add(kind, "messages", text));
}

/**
 * Says that something failed. Stays until the user dismisses it or does something else.
 *
 * @param {string} text
 */
export function notifyFailure(text) {
  add("bad", "alerts", text);
}

/**
 * Shows an error. Unexpected ones also go to the console.
 *
 * @param {unknown} error
 */
export function report(error) {
  if (error instanceof ApiError) {
    if (error.status === 0) notifyOutage(error.text);
    else if (error.status !== 401) notifyFailure(error.text);
    return;
  }
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === "AbortError") return;
  notifyFailure(`Something went wrong: ${message}. Reload the page.`);
  console.error(error);
}

/**
 * A click handler that reports the errors of an action to the user.
 *
 * @param {Ui.Action} action
 */
export const reporting = (action) => async () => {
  try {
    await action();
  } catch (error) {
    report(error);
  }
};

/**
 * Says that there was no response. Disappears by itself some time after the connection is back.
 *
 * @param {string} text
 */
function notifyOutage(text) {
  const notice = add("bad", "alerts", text);
  const isBack = new AbortController();
  const end = () => {
    isBack.abort();
    expireLater(notice);
  };
  addEventListener("online", end, { signal: isBack.signal });
  addEventListener("answered", end, { signal: isBack.signal });
}

/**
 * Removes a notice after a while, but not while the pointer or the focus is on it.
 *
 * @param {HTMLElement} notice
 */
function expireLater(notice) {
  setTimeout(() => (notice.matches(":hover, :focus-within") ? expireLater(notice) : notice.remove()), SHOWN_MS);
}

/** Removes the failures of earlier actions. */
export function clearFailures() {
  byId("alerts").replaceChildren();
}

/** Removes everything, because texts may name what only a signed-in user may see. */
export function clearNotices() {
  clearFailures();
  byId("messages").replaceChildren();
}

/**
 * @param {NoticeKind} kind
 * @param {"messages" | "alerts"} region
 * @param {string} text
 */
function add(kind, region, text) {
  const dismiss = h(
    "button",
    { type: "button", class: "icon-button", "aria-label": "Dismiss", on: { click: () => notice.remove() } },
    icon("close"),
  );
  const notice = h("div", { class: `notice ${kind}` }, icon(ICONS[kind]), h("p", {}, text), dismiss);
  const place = byId(region);
  place.append(notice);
  while (place.childElementCount > NOTICES_MAX) place.firstElementChild?.remove();
  return notice;
}
