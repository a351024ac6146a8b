// What the token of the signed-in user may do. The API decides; the page only leaves out what it would refuse. Until the
// scope is known, nothing is left out.

import { get } from "./api.js";
import { h } from "./dom.js";
import { token } from "./session.js";

const root = document.documentElement;
/** @type {string | null} The token whose scope the page knows, or is reading. */
let known = null;
/** @type {Promise<void>} Settled once the page knows it. */
let learning = Promise.resolve();
/** @type {Api.Token | null} */
let current = null;

/** The record of the token that the user is signed in with, once it is known. */
export const currentToken = () => current;

/** Learns what the token may do. If that fails, the next call tries again. */
export function learnScope() {
  const used = token();
  if (used && used !== known) learning = read(used);
  return learning;
}

/** @param {string} used */
async function read(used) {
  forgetScope();
  known = used;
  try {
    /** @type {import("./api.js").ApiResponse<Api.Token>} */
    const { data } = await get("/api/tokens/current");
    if (used !== known) return;
    current = data;
    root.dataset.scope = data.scope;
  } catch {
    if (used === known) known = null;
  }
}

/** Forgets what the token may do, once no user is signed in. */
export function forgetScope() {
  known = null;
  current = null;
  delete root.dataset.scope;
}

/**
 * Shows an element only to users whose token has a scope.
 *
 * @template {HTMLElement} Guarded
 * @param {Api.Scope} scope
 * @param {Guarded} element
 */
export function needs(scope, element) {
  element.dataset.needs = scope;
  return element;
}

/**
 * A text for users whose token lacks a scope.
 *
 * @param {Api.Scope} scope
 * @param {Ui.Child} text
 */
export const lacking = (scope, text) => h("p", { class: "hint", data: { lacks: scope } }, text);
