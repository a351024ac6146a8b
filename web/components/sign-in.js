// What is shown to whoever has no token, or one that is not valid any more.

import { h } from "../dom.js";
import { keepToken } from "../session.js";

/** The form. `done()` is called once a token is kept. */
export function signInForm(reason, done) {
  const field = h("input", {
    id: "token",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "token-hint",
  });
  const signIn = (event) => {
    event.preventDefault();
    const given = field.value.trim();
    if (!given) return field.focus();
    keepToken(given);
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
      ", or paste a token here. It's kept until you close this tab.",
    ),
    h("button", { class: "button primary" }, "Sign in"),
  );
}
