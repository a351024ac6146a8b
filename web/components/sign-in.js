// The form for users without a token, or with one that is no longer valid.

import { h } from "../dom.js";
import { signIn as keepToken } from "../session.js";

/**
 * @param {string} reason Why the user must sign in, or "".
 * @param {() => void} done Called once the token is stored.
 */
export function signInForm(reason, done) {
  const field = h("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password", // A password manager is a better place for it than a note.
    spellcheck: "false",
    required: true,
    "aria-describedby": "token-hint",
  });
  /** @param {Event} event */
  const signIn = (event) => {
    event.preventDefault();
    const entered = field.value.trim();
    if (!entered) return field.focus();
    keepToken(entered);
    done();
  };
  return h(
    "form",
    { class: "card sign-in", on: { submit: signIn } },
    h("h1", { tabindex: "-1" }, "Sign in"),
    reason && h("p", { class: "message bad", role: "alert" }, reason),
    h("label", { for: "token" }, "API token"),
    field,
    h(
      "p",
      { id: "token-hint", class: "hint" },
      "Open the link printed by ",
      h("code", {}, "make run"),
      ", or paste a token here. It's kept until you sign out or close every tab of this page.",
    ),
    h("button", { class: "button primary" }, "Sign in"),
  );
}
