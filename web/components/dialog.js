// Native dialogs: the browser keeps the focus inside and closes them on Escape.

import { ApiError } from "../api.js";
import { focusHeading, focusKey, h, setChildren, uniqueId } from "../dom.js";
import { button } from "./button.js";
import { icon } from "./icons.js";

const FIRST_CONTROL = "[autofocus], .dialog-body input, .dialog-body textarea, .dialog-body button";

/**
 * Opens a dialog with the content that `fill(close)` returns. Resolves with the value given to `close(value)`, or with
 * undefined if the user dismissed the dialog. The focus returns to the element that had it, or to the one that has been
 * drawn in its place.
 *
 * @template Value
 * @param {{
 *   title: string,
 *   fill: (close: (value?: Value) => void) => Ui.Child,
 *   wide?: boolean,
 *   dismissible?: boolean,
 * }} options
 * @returns {Promise<Value | undefined>}
 */
export function openDialog({ title, fill, wide = false, dismissible = true }) {
  const opener = /** @type {HTMLElement | null} */ (document.activeElement);
  const key = opener?.dataset.key;
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
    /** @type {Value | undefined} */
    let result;
    /** @param {Value} [value] */
    const close = (value) => {
      result = value;
      dialog.close();
    };
    dialog.addEventListener("cancel", (event) => !dismissible && event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
      if (opener?.isConnected) opener.focus();
      else if (!key || !focusKey(key)) focusHeading();
    });
    setChildren(body, fill(close));
    document.body.append(dialog);
    dialog.showModal();
    const first = /** @type {HTMLElement | null} */ (dialog.querySelector(FIRST_CONTROL));
    (first ?? dismiss).focus();
  });
}

/**
 * Asks before something that cannot be undone. `act` runs while the dialog is open, and the dialog shows its errors.
 * Resolves with true once it has succeeded.
 *
 * @param {{ title: string, text: string, details?: Ui.Child, action: string, act: Ui.Action }} options
 */
export function confirm({ title, text, details, action, act }) {
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
    const cancel = button("Cancel", { click: () => close() });
    cancel.autofocus = true;
    return [h("p", {}, text), details, problem, h("footer", { class: "actions end" }, cancel, proceed)];
  };
  return openDialog({ title, fill });
}

/** The place in a form or dialog where `busy` shows what went wrong. */
export const problemMessage = () => h("p", { class: "message bad", role: "alert", hidden: true });

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
  problem.hidden = true;
  try {
    await action();
    return null;
  } catch (caught) {
    const error = caught instanceof Error ? caught : new Error(String(caught));
    const isExpected = error instanceof ApiError;
    problem.textContent = isExpected ? error.text : error.message;
    problem.hidden = false;
    if (!isExpected) console.error(error);
    return error;
  } finally {
    trigger.removeAttribute("aria-busy");
  }
}
