// Native dialogs: the browser keeps the focus inside, and makes the rest of the page inert.

import { ApiError } from "../api.js";
import { focusHeading, focusKey, h, setChildren, uniqueId } from "../dom.js";
import { button } from "./button.js";
import { icon } from "./icons.js";
import { Guard } from "./unsaved.js";

const FIRST_CONTROL = "[autofocus], .dialog-body input, .dialog-body textarea, .dialog-body button";

/**
 * Opens a dialog with the content that `fill(close, protect)` returns. Resolves with the value given to `close(value)`,
 * or with undefined if the user dismissed the dialog, or `signal` was aborted. The focus returns to the element that
 * had it, or to the one that has been drawn in its place.
 *
 * A form passes `protect` a function that returns whether it has unsaved changes. As long as it has, whatever would
 * close the dialog without a value asks first.
 *
 * @template Value
 * @param {{
 *   title: string,
 *   fill: (close: (value?: Value) => void, protect: (hasChanges: () => boolean) => void) => Ui.Child,
 *   wide?: boolean,
 *   dismissible?: boolean,
 *   signal?: AbortSignal,
 * }} options
 * @returns {Promise<Value | undefined>}
 */
export function openDialog({ title, fill, wide = false, dismissible = true, signal }) {
  const returnFocus = focusReturner();
  return new Promise((resolve) => {
    const titleId = uniqueId("dialog");
    const body = h("div", { class: "dialog-body" });
    const dismiss = h(
      "button",
      { type: "button", class: "icon-button dismiss", "aria-label": "Close", on: { click: () => close() } },
      icon("close"),
    );
    const dialog = h(
      "dialog",
      { class: wide ? "wide" : "", "aria-labelledby": titleId },
      h("header", { class: "dialog-head" }, h("h2", { id: titleId }, title), dismissible && dismiss),
      body,
    );
    const closed = new AbortController();
    /** @type {Value | undefined} */
    let result;
    // Not only in the browser's "close" event, which follows later: until then, a key press would meet a question that
    // is no longer on the screen, and be lost.
    const end = () => {
      if (closed.signal.aborted) return;
      dialog.close();
      guard.release();
      closed.abort();
      dialog.remove();
      resolve(result);
      if (!signal?.aborted) returnFocus();
    };
    const guard = new Guard(() => discardChanges(closed.signal), end);
    /** @param {Value} [value] */
    const close = (value) => {
      result = value;
      if (value === undefined) guard.leave();
      else end();
    };
    onEscape(dialog, () => dismissible && close());
    dialog.addEventListener("click", (event) => guard.follow(event));
    dialog.addEventListener("close", end);
    signal?.addEventListener("abort", end);
    setChildren(
      body,
      fill(close, (hasChanges) => guard.protect(hasChanges)),
    );
    document.body.append(dialog);
    dialog.showModal();
    const first = /** @type {HTMLElement | null} */ (dialog.querySelector(FIRST_CONTROL));
    (first ?? dismiss).focus();
  });
}

/** Returns a function that moves the focus back to the element that has it now, or to the one drawn in its place. */
function focusReturner() {
  const opener = /** @type {HTMLElement | null} */ (document.activeElement);
  const key = opener?.dataset.key;
  return () => {
    if (opener?.isConnected) opener.focus();
    else if (!key || !focusKey(key)) focusHeading();
  };
}

/**
 * Asks whether the changes in a form may be discarded.
 *
 * @param {AbortSignal} signal Aborted when the form is closed.
 */
const discardChanges = (signal) =>
  confirm({
    title: "Discard your changes?",
    text: "What you have entered has not been saved.",
    action: "Discard changes",
    cancel: "Keep editing",
    act: () => {},
    signal,
  });

/**
 * Calls `action` when the user presses Escape or asks the device to go back, instead of closing the dialog. Listening
 * for "cancel" is not enough: browsers let it prevent only the first of two key presses.
 *
 * @param {HTMLDialogElement} dialog
 * @param {() => unknown} action
 */
function onEscape(dialog, action) {
  /** @param {Event} event */
  const dismiss = (event) => {
    event.preventDefault();
    action();
  };
  dialog.addEventListener("keydown", (event) => event.key === "Escape" && !event.isComposing && dismiss(event));
  dialog.addEventListener("cancel", dismiss);
}

/**
 * Asks before something that cannot be undone. `act` runs while the dialog is open, and the dialog shows its errors.
 * Resolves with true once it has succeeded.
 *
 * @param {{
 *   title: string,
 *   text: string,
 *   details?: Ui.Child,
 *   action: string,
 *   cancel?: string,
 *   act: Ui.Action,
 *   signal?: AbortSignal,
 * }} options
 */
export function confirm({ title, text, details, action, cancel: wayOut = "Cancel", act, signal }) {
  /** @param {(value?: boolean) => void} close */
  const fill = (close) => {
    const problem = problemMessage();
    const proceed = button(action, {
      kind: "danger",
      click: () =>
        busy(proceed, problem, async () => {
          await act();
          close(true);
        }),
    });
    const cancel = button(wayOut, { click: () => close() });
    cancel.autofocus = true;
    return [h("p", {}, text), details, problem, h("footer", { class: "actions end" }, cancel, proceed)];
  };
  return openDialog({ title, fill, signal });
}

/** The place in a form or dialog where `busy` shows what went wrong. */
export const problemMessage = () => h("p", { class: "message bad", role: "alert", hidden: true });

/**
 * Shows what went wrong, and moves it into view: a form may be longer than the screen.
 *
 * @param {HTMLElement} problem
 * @param {string} text
 */
export function showProblem(problem, text) {
  problem.textContent = text;
  problem.hidden = false;
  problem.scrollIntoView({ block: "nearest" });
}

/** @param {HTMLElement} problem */
export function hideProblem(problem) {
  problem.textContent = "";
  problem.hidden = true;
}

/**
 * Runs an action with its button marked as busy. Shows an error in `problem` and returns it.
 *
 * @param {HTMLElement} trigger
 * @param {HTMLElement} problem
 * @param {Ui.Action} action
 * @returns {Promise<Error | null>}
 */
export async function busy(trigger, problem, action) {
  if (trigger.getAttribute("aria-busy") === "true") return null;
  trigger.setAttribute("aria-busy", "true");
  hideProblem(problem);
  try {
    await action();
    return null;
  } catch (caught) {
    const error = caught instanceof Error ? caught : new Error(String(caught));
    const isExpected = error instanceof ApiError;
    showProblem(problem, isExpected ? error.text : error.message);
    if (!isExpected) console.error(error);
    return error;
  } finally {
    trigger.removeAttribute("aria-busy");
  }
}
