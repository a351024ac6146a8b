// The frame around the pages: which URL shows which page, who is signed in, where the focus goes.

import { clearFailures, report } from "./components/notices.js";
import { signInForm } from "./components/sign-in.js";
import { mayFollow } from "./components/unsaved.js";
import { byId, h, setChildren } from "./dom.js";
import * as importPage from "./pages/import.js";
import * as imports from "./pages/imports.js";
import * as products from "./pages/products.js";
import * as webhook from "./pages/webhook.js";
import * as webhooks from "./pages/webhooks.js";
import { clearToken, takeTokenFromLink, token } from "./session.js";
import { currentRoute } from "./urls.js";

const NAME = "Product Importer";
/** @type {[RegExp, Ui.Page][]} */
const PAGES = [
  [/^\/imports$/, imports],
  [/^\/imports\/([^/]+)$/, importPage],
  [/^\/products$/, products],
  [/^\/webhooks$/, webhooks],
  [/^\/webhooks\/([^/]+)$/, webhook],
];

const main = byId("main");
const signOut = byId("sign-out");
/** @type {{ path: string, closing: AbortController, change?: Ui.OpenPage["change"] } | null} The open page. */
let shown = null;

addEventListener("hashchange", () => mayFollow() && show());
addEventListener("online", showConnection);
addEventListener("offline", showConnection);
addEventListener(
  "signed-out",
  () => token() && askForToken("This token is invalid or has been revoked. Sign in again."),
);
signOut.addEventListener("click", () => askForToken());
byId("skip").addEventListener("click", (event) => {
  event.preventDefault(); // The fragment of the URL is reserved for the path of the page.
  main.querySelector("h1")?.focus();
});
showConnection();
show();

function show() {
  takeTokenFromLink();
  if (!token()) return askForToken();
  signOut.hidden = false;
  const { path, query } = currentRoute();
  clearFailures();
  closeDialogs(); // Back also leaves a dialog.
  if (shown?.path === path && shown.change) return shown.change(query);
  open(path, query);
}

/**
 * @param {string} path
 * @param {URLSearchParams} query
 */
function open(path, query) {
  const isFirst = shown === null;
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
  finishOpening(isFirst);
}

/**
 * Copies the heading into the title, and moves the focus to it unless the document has only just loaded.
 *
 * @param {boolean} isFirst
 */
function finishOpening(isFirst) {
  const heading = main.querySelector("h1");
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

function askForToken(reason = "") {
  clearToken();
  signOut.hidden = true;
  shown?.closing.abort();
  closeDialogs();
  shown = { path: "", closing: new AbortController() };
  setChildren(main, signInForm(reason, show));
  finishOpening(false);
}

function closeDialogs() {
  for (const each of document.querySelectorAll("dialog")) each.close();
}

function showNotFound() {
  main.append(
    h("h1", { tabindex: "-1" }, "Page not found"),
    h("p", {}, h("a", { href: "#/imports" }, "Go to imports")),
  );
}

function showConnection() {
  byId("offline").hidden = navigator.onLine;
}
