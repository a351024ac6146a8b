// The token of the signed-in user. It is kept in the session storage of each tab, and the open tabs of this origin hand
// it to each other, so that a new tab is signed in too. It never goes into local storage, a cookie or a URL.

const KEY = "product-importer-session";
const ENDED = "product-importer-signed-out-at"; // In local storage: a time, for the tabs that are closed or suspended.
const CHANNEL = "product-importer-session";
const REFUSED_MAX = 20;
export const HANDOVER_MS = 500; // How long another tab may take to hand over its token.

/**
 * `at` orders sign-ins: it is the time, but always later than those of the sign-ins and sign-outs before.
 *
 * @typedef {{ token: string, at: number }} Session
 * @typedef {{ kind: "ask" } | ({ kind: "offer" } & Session) | { kind: "refused", token: string }} Message
 */

/** @type {Set<string>} Tokens that the server has refused. */
const refused = new Set();
/** @type {string | null} The token that the server has accepted. Only that one is offered to other tabs. */
let accepted = null;
/** @type {string | null} The token of a link, until the other tabs have had time to offer the one they use. */
let unconfirmed = null;
let channel = openChannel();

addEventListener("storage", (event) => event.key === ENDED && endIfOver());
// A page that is suspended for Back must not keep a channel open, and has missed what happened in the meantime.
addEventListener("pagehide", () => channel.close());
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  channel = openChannel();
  endIfOver();
  askOtherTabs();
});

/**
 * Takes the token from the fragment of a start link, and removes it from the address bar. Signs in with it, unless the
 * user is signed in with another token: then it is returned. If it turns out that another tab is signed in with another
 * token, the tab uses that one, and a "token-link" event follows with the one from the link.
 */
export function takeTokenFromLink() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found === null) return null;
  history.replaceState(null, "", location.pathname + location.search);
  if (!found || found === token()) return null;
  if (token()) return found;
  signIn(found);
  unconfirmed = found;
  askOtherTabs();
  setTimeout(confirmLink, HANDOVER_MS);
  return null;
}

export const token = () => session()?.token ?? null;

/** @param {string} value */
export function signIn(value) {
  accepted = null;
  unconfirmed = null;
  store({ token: value, at: Math.max(Date.now(), endedAt() + 1, (stored()?.at ?? 0) + 1) });
}

/** Signs out every tab, also those that are reopened later. Nothing of the session stays in the tab's storage. */
export function signOut() {
  localStorage.setItem(ENDED, String(Math.max(Date.now(), stored()?.at ?? 0)));
  sessionStorage.clear();
}

/** Asks the other tabs for their token. A "session" event follows if one of them has one. */
export const askOtherTabs = () => send({ kind: "ask" });

/**
 * Notes that the server has accepted a token, and offers it to the other tabs.
 *
 * @param {string} used
 */
export function noteAccepted(used) {
  if (used === accepted || used !== token()) return;
  accepted = used;
  offer();
}

/**
 * Notes that the server has refused a token. No tab uses it again.
 *
 * @param {string} used
 */
export function noteRefused(used) {
  send({ kind: "refused", token: used });
  forget(used);
}

/** @returns {Session | null} */
const stored = () => JSON.parse(sessionStorage.getItem(KEY) ?? "null");

/** @param {Session} signedIn */
const store = (signedIn) => sessionStorage.setItem(KEY, JSON.stringify(signedIn));

const endedAt = () => Number(localStorage.getItem(ENDED) ?? 0);

/** What is stored, unless the user has signed out since. A reopened tab still has its old session storage. */
function session() {
  const found = stored();
  return found && found.at > endedAt() ? found : null;
}

function openChannel() {
  const opened = new BroadcastChannel(CHANNEL);
  opened.addEventListener("message", ({ data }) => receive(/** @type {Message} */ (data)));
  return opened;
}

/** @param {Message} message */
const send = (message) => channel.postMessage(message);

/** @param {Message} message */
function receive(message) {
  if (message.kind === "ask") offer();
  if (message.kind === "offer") consider(message);
  if (message.kind === "refused") forget(message.token);
}

function offer() {
  const mine = session();
  if (mine && mine.token === accepted && mine.token !== unconfirmed) send({ kind: "offer", ...mine });
}

function confirmLink() {
  unconfirmed = null;
  offer();
}

/**
 * Takes over the session of another tab if it is newer: the newest sign-in wins.
 *
 * @param {Session} offered
 */
function consider({ token: value, at }) {
  const mine = session();
  const linked = mine && mine.token === unconfirmed && mine.token !== value ? mine.token : null;
  if (refused.has(value) || at <= endedAt() || (!linked && at <= (mine?.at ?? 0))) return;
  store({ token: value, at });
  accepted = value;
  unconfirmed = null;
  if (linked) dispatchEvent(new CustomEvent("token-link", { detail: linked }));
  else changed();
}

/** @param {string} value */
function forget(value) {
  const isMine = value === token();
  refused.add(value);
  if (refused.size > REFUSED_MAX) refused.delete([...refused][0]);
  if (!isMine) return;
  sessionStorage.removeItem(KEY);
  changed("This token is invalid or has been revoked. Sign in again.");
}

function endIfOver() {
  if (!stored() || session()) return;
  sessionStorage.clear();
  changed();
}

/** app.js shows the page or the sign-in form. */
const changed = (reason = "") => dispatchEvent(new CustomEvent("session", { detail: reason }));
