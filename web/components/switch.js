// A switch that saves at once, and reverts if that fails.

import { needs } from "../access.js";
import { h } from "../dom.js";
import { onClick } from "./button.js";
import { report } from "./notices.js";

/**
 * `save` stores the new state; users whose token lacks the scope see the state alone. Only screen readers read the label.
 *
 * @param {{ on: boolean, label: string, key: string, scope: Api.Scope, save: (on: boolean) => Promise<unknown> }} options
 */
export function switchButton({ on, label, key, scope, save }) {
  const state = h("span", { class: "switch-state", "aria-hidden": "true" });
  const element = h(
    "button",
    { type: "button", role: "switch", class: "switch", "aria-label": label, data: { key } },
    h("span", { class: "switch-track", "aria-hidden": "true" }),
    state,
  );
  /** @param {boolean} value */
  const show = (value) => {
    element.setAttribute("aria-checked", String(value));
    state.textContent = value ? "On" : "Off";
  };
  show(on);
  onClick(element, async () => {
    const wanted = element.getAttribute("aria-checked") !== "true";
    show(wanted);
    try {
      await save(wanted);
    } catch (error) {
      show(!wanted);
      report(error);
    }
  });
  return [needs(scope, element), h("span", { data: { lacks: scope } }, on ? "On" : "Off")];
}
