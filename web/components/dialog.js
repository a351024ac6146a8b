// Native dialogs: the browser keeps the focus inside, closes on Escape and knows what lies behind.

import { focusKey, h, refill, uniqueId } from "../dom.js";
import { icon } from "./icons.js";

/**
 * Opens a dialog; `fill(close)` gives its content. Resolves with what `close(value)` was called with, or undefined when it
 * was dismissed. The focus goes back to where it was: to the same element, or to the one drawn in its place since.
 */
export function openDialog({ title, fill, wide = false, dismissible = true }) {
  const opener = document.activeElement;
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
    let value;
    const close = (given) => {
      value = given;
      dialog.close();
    };
    dialog.addEventListener("cancel", (event) => !dismissible && event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(value);
      if (opener?.isConnected) opener.focus();
      else if (!key || !focusKey(key)) document.querySelector("main h1")?.focus();
    });
    refill(body, fill(close));
    document.body.append(dialog);
    dialog.showModal();
    (
      dialog.querySelector("[autofocus], .dialog-body input, .dialog-body textarea, .dialog-body button") ?? dismiss
    ).focus();
  });
}

/** Asks before something that cannot be undone. `act()` runs while the dialog is open; what it throws is shown in it. */
export function confirm({ title, text, details, action, act }) {
  return openDialog({
    title,
    fill: (close) => {
      const problem = h("p", { class: "message bad", role: "alert", hidden: true });
      const button = h("button", { type: "button", class: "button danger" }, action);
      button.addEventListener("click", () =>
        busy(button, problem, async () => {
          await act();
          close(true);
        }),
      );
      return [
        h("p", {}, text),
        details,
        problem,
        h(
          "footer",
          { class: "actions end" },
          h("button", { type: "button", class: "button", autofocus: true, on: { click: () => close() } }, "Cancel"),
          button,
        ),
      ];
    },
  });
}

/** Runs an action with its button marked as busy; what it throws is written into `problem`, and returned. */
export async function busy(button, problem, action) {
  if (button.getAttribute("aria-busy") === "true") return null;
  button.setAttribute("aria-busy", "true");
  problem.hidden = true;
  try {
    await action();
    return null;
  } catch (error) {
    problem.textContent = error.text ?? error.message;
    problem.hidden = false;
    if (error.status === undefined) console.error(error);
    return error;
  } finally {
    button.removeAttribute("aria-busy");
  }
}
