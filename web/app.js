// The frame around the pages: which address shows which page, who is signed in, where the focus goes.

import { current } from "./address.js";
import { clearComplaints, report } from "./components/notices.js";
import { signInForm } from "./components/sign-in.js";
import { h, refill } from "./dom.js";
import * as imports from "./pages/imports.js";
import * as oneImport from "./pages/import.js";
import * as products from "./pages/products.js";
import * as webhook from "./pages/webhook.js";
import * as webhooks from "./pages/webhooks.js";
import { forgetToken, takeTokenFromLink, token } from "./session.js";

const NAME = "Product Importer";
const PAGES = [
  [/^\/imports$/, imports],
  [/^\/imports\/([^/]+)$/, oneImport],
  [/^\/products$/, products],
  [/^\/webhooks$/, webhooks],
  [/^\/webhooks\/([^/]+)$/, webhook],
];

const main = document.getElementById("main");
const signOut = document.getElementById("sign-out");
let shown = null; // what is on the screen: its path, how to leave it, how to change it

addEventListener("hashchange", () => show());
addEventListener("online", tellConnection);
addEventListener("offline", tellConnection);
addEventListener(
  "signed-out",
  () => token() && askForToken("This token is invalid or has been revoked. Sign in again."),
);
signOut.addEventListener("click", () => askForToken());
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // The fragment says which page is shown.
  main.querySelector("h1")?.focus();
});
tellConnection();
show();

function show() {
  takeTokenFromLink();
  if (!token()) return askForToken();
  signOut.hidden = false;
  const { path, query } = current();
  clearComplaints();
  closeDialogs(); // Back means: away from here.
  if (shown?.path === path && shown.change) return shown.change(query);
  open(path, query);
}

function open(path, query) {
  const first = shown === null;
  shown?.leave.abort();
  const leave = new AbortController();
  const [[pattern, page] = []] = [PAGES.find(([each]) => each.test(path))];
  const id = pattern?.exec(path)[1];
  shown = { path, leave };
  refill(main);
  try {
    shown.change = page ? page.open({ main, id, query, signal: leave.signal })?.change : missing();
  } catch (error) {
    report(error);
  }
  markNavigation(path);
  settle(first);
}

/** The title follows the heading; so does the focus, but not when the page was loaded just now. */
function settle(first) {
  const heading = main.querySelector("h1");
  document.title = heading ? `${heading.textContent} – ${NAME}` : NAME;
  if (first || !heading) return;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function markNavigation(path) {
  for (const each of document.querySelectorAll("#navigation a")) {
    const here = path.startsWith(each.getAttribute("href").slice(1));
    each.toggleAttribute("data-here", here);
    if (here) each.setAttribute("aria-current", path === each.getAttribute("href").slice(1) ? "page" : "true");
    else each.removeAttribute("aria-current");
  }
}

function askForToken(reason = "") {
  forgetToken();
  signOut.hidden = true;
  shown?.leave.abort();
  closeDialogs();
  shown = { path: "", leave: new AbortController() };
  refill(main, signInForm(reason, show));
  settle(false);
}

function closeDialogs() {
  for (const each of document.querySelectorAll("dialog")) each.close();
}

function missing() {
  main.append(
    h("h1", { tabindex: "-1" }, "Page not found"),
    h("p", {}, h("a", { href: "#/imports" }, "Go to imports")),
  );
}

function tellConnection() {
  document.getElementById("offline").hidden = navigator.onLine;
}
