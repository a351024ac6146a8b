// The frame around the pages: which URL shows which page, who is signed in, where the focus goes.

import { forgetScope, learnScope } from "./access.js";
import { isAccepted } from "./api.js";
import { confirm } from "./components/dialog.js";
import { clearFailures, clearNotices, report } from "./components/notices.js";
import { signInForm } from "./components/sign-in.js";
import { listLink } from "./components/states.js";
import { hasUnsavedChanges, mayFollow } from "./components/unsaved.js";
import { byId, h, setChildren } from "./dom.js";
import * as importPage from "./pages/import.js";
import * as imports from "./pages/imports.js";
import * as products from "./pages/products.js";
import * as tokens from "./pages/tokens.js";
import * as webhook from "./pages/webhook.js";
import * as webhooks from "./pages/webhooks.js";
import { HANDOVER_MS, askOtherTabs, noteRefused, signIn, signOut, takeTokenFromLink, token } from "./session.js";
import { currentRoute } from "./urls.js";

const NAME = "Product Importer";
/** @type {[RegExp, Ui.Page][]} */
const PAGES = [
  [/^\/imports$/, imports],
  [/^\/imports\/([^/]+)$/, importPage],
  [/^\/products$/, products],
  [/^\/webhooks$/, webhooks],
  [/^\/webhooks\/([^/]+)$/, webhook],
  [/^\/tokens$/, tokens],
];

const main = byId("main");
const signOutButton = byId("sign-out");
/** @type {{ path: string, closing: AbortController, change?: Ui.OpenPage["change"] } | null} The open page. */
let shown = null;
let hasOpened = false; // Whether this document has shown anything yet.
let isAsking = false; // Whether the sign-in form is on the screen, or will be unless another tab has a token.

addEventListener("hashchange", () => mayFollow() && show());
addEventListener("online", showConnection);
addEventListener("offline", showConnection);
addEventListener("session", (event) => {
  const reason = /** @type {CustomEvent<string>} */ (event).detail;
  if (token()) {
    learnScope();
    if (isAsking) show();
  } else if (!reason || !hasUnsavedChanges()) askForToken(reason); // Otherwise the form says how to keep what was typed.
});
addEventListener("token-link", (event) => followLink(/** @type {CustomEvent<string>} */ (event).detail));
addEventListener("form-closed", () => token() || isAsking || askForToken());
signOutButton.addEventListener("click", () => {
  signOut();
  askForToken();
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // The fragment of the URL is reserved for the path of the page.
  main.querySelector("h1")?.focus();
});
showConnection();
show();

function show() {
  const linked = takeTokenFromLink();
  if (linked) return followLink(linked);
  if (!token()) return isAsking || askForToken();
  isAsking = false;
  signOutButton.hidden = false;
  learnScope();
  const { path, query } = currentRoute();
  clearFailures();
  closeDialogs(); // Back also leaves a dialog.
  if (shown?.path === path && shown.change) return shown.change(query);
  open(path, query);
}

/**
 * Signs in with the token of a link, although the user is signed in with another one: after a question, unless that one
 * no longer works, as after a restart of the local stack. A link whose token does not work changes nothing.
 *
 * @param {string} linked
 */
async function followLink(linked) {
  const current = token() ?? "";
  const [isLinkValid, isCurrentValid] = await Promise.all([isAccepted(linked), isAccepted(current)]);
  if (!isCurrentValid) noteRefused(current);
  show();
  if (!isLinkValid || (isCurrentValid && !(await mayReplaceToken()))) return;
  signIn(linked);
  show();
}

const mayReplaceToken = () =>
  confirm({
    title: "Replace the current sign-in?",
    text: "This link signs you in with another token. If you didn't expect that, choose Cancel.",
    action: "Replace",
    act: () => {},
  });

/**
 * @param {string} path
 * @param {URLSearchParams} query
 */
function open(path, query) {
  shown?.closing.abort();
  const closing = new AbortController();
  shown = { path, closing };
  setChildren(main);
  try {
    const [pattern, page] = PAGES.find(([each]) => each.test(path)) ?? [];
    const id = pattern?.exec(path)?.[1] ?? "";
    if (page) shown.change = page.open({ main, id, query, signal: closing.signal })?.change;
    else showNotFound();
  } catch (error) {
    report(error);
  }
  markNavigation(path);
  finishOpening(!hasOpened);
}

/**
 * Copies the heading into the title, and moves the focus to it unless the document has only just loaded.
 *
 * @param {boolean} isFirst
 */
function finishOpening(isFirst) {
  const heading = main.querySelector("h1");
  hasOpened = true;
  document.title = heading ? `${heading.textContent} – ${NAME}` : NAME;
  if (isFirst || !heading) return;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** @param {string} path */
function markNavigation(path) {
  for (const each of document.querySelectorAll("#navigation a")) {
    const target = each.getAttribute("href")?.slice(1) ?? "";
    const isHere = path.startsWith(target);
    each.toggleAttribute("data-here", isHere);
    if (isHere) each.setAttribute("aria-current", path === target ? "page" : "true");
    else each.removeAttribute("aria-current");
  }
}

/**
 * Shows the sign-in form, unless another tab hands over its token first.
 *
 * @param {string} reason Why the user must sign in, or "".
 */
function askForToken(reason = "") {
  isAsking = true;
  signOutButton.hidden = true;
  forgetScope();
  shown?.closing.abort();
  closeDialogs();
  clearNotices();
  document.title = NAME;
  const closing = new AbortController();
  shown = { path: "", closing };
  setChildren(main);
  askOtherTabs();
  setTimeout(() => closing.signal.aborted || showSignInForm(reason), HANDOVER_MS);
}

/** @param {string} reason */
function showSignInForm(reason) {
  setChildren(main, signInForm(reason, show));
  finishOpening(false);
}

function closeDialogs() {
  for (const each of document.querySelectorAll("dialog")) each.close();
}

function showNotFound() {
  main.append(
    h("h1", { tabindex: "-1" }, "Page not found"),
    h("p", { class: "lead breakable" }, `There is no page at #${currentRoute().path}.`),
    h("p", {}, listLink()),
  );
}

function showConnection() {
  byId("offline").hidden = navigator.onLine;
}
