// The form for a new token.

import { h } from "../dom.js";
import { choice, field } from "./fields.js";
import { notify } from "./notices.js";
import { editRecord } from "./record-form.js";
import { showSecret } from "./secret.js";

/** @typedef {{ name: string, scope: Api.Scope, expires_at: Api.Time | null }} NewToken */

const DAY_MS = 24 * 3600 * 1000;
/** @type {NewToken} */
const BLANK = { name: "", scope: "read", expires_at: null };
const LABELS = { name: "Name", scope: "Scope", expires_at: "Expires" };
const SCOPES = [
  { value: "read", label: "Read", hint: "Search and export products, and follow imports, webhooks and deliveries." },
  {
    value: "write",
    label: "Write",
    hint: "Also import files, change or delete single products, and retry deliveries.",
  },
  { value: "admin", label: "Admin", hint: "Also manage webhooks and tokens, and delete all products." },
];
const LIFETIMES = [
  { value: "", label: "Never" },
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
];

/** Opens the form, then shows the new token once. Resolves with true if a token was created. */
export async function createToken() {
  /** @type {Api.Token | undefined} */
  const created = await editRecord({
    what: "token",
    path: "/api/tokens",
    id: null,
    blank: BLANK,
    makeFields,
    labels: LABELS,
    comparable: ({ name, scope, expires_at: expires }) => ({ name, scope, expires_at: expires ?? "" }),
    scope: "admin",
  });
  if (!created) return false;
  if (created.token) await showSecret("New token", `This is the token of ${created.name}.`, created.token);
  notify(`Token ${created.name} created.`);
  return true;
}

/** @returns {Ui.Fields<NewToken>} */
function makeFields() {
  const name = field({
    label: LABELS.name,
    hint: "The person or system that will use it.",
    make: (attributes) => h("input", { ...attributes, autocomplete: "off" }),
  });
  const scope = choice({ legend: LABELS.scope, options: SCOPES });
  const lifetime = choice({ legend: LABELS.expires_at, options: LIFETIMES });
  return {
    name: { ...name, value: () => name.value().trim() },
    scope: { ...scope, value: () => /** @type {Api.Scope} */ (scope.value()) },
    expires_at: {
      ...lifetime,
      value: () => expiryAfter(lifetime.value()),
      fill: () => lifetime.fill(""),
    },
  };
}

/** @param {string} days */
const expiryAfter = (days) => (days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : null);
