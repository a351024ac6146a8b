// A switch that writes at once, and goes back when that fails.

import { h } from "../dom.js";
import { report } from "./notices.js";

/** `write(on)` carries it out. The label is what the switch is of: only screen readers hear it. */
export function switchButton({ on, label, key, write }) {
  const word = h("span", { class: "switch-word", "aria-hidden": "true" }, on ? "On" : "Off");
  const show = (value) => {
    button.setAttribute("aria-checked", String(value));
    word.textContent = value ? "On" : "Off";
  };
  const button = h(
    "button",
    { type: "button", role: "switch", class: "switch", "aria-checked": String(on), "aria-label": label, data: { key } },
    h("span", { class: "switch-track", "aria-hidden": "true" }),
    word,
  );
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-busy") === "true") return;
    const wanted = button.getAttribute("aria-checked") !== "true";
    show(wanted);
    button.setAttribute("aria-busy", "true");
    try {
      await write(wanted);
    } catch (error) {
      show(!wanted);
      report(error);
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
  return button;
}
