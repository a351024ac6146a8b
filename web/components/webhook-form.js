// The form for one webhook.

import { get } from "../api.js";
import { h } from "../dom.js";
import { eventChoice } from "./event-choice.js";
import { checkbox, field } from "./fields.js";
import { notify } from "./notices.js";
import { editRecord } from "./record-form.js";
import { showWebhookSecret } from "./secret.js";

/** @type {Api.WebhookFields} */
const BLANK = { url: "", description: "", events: ["*"], enabled: true, headers: {} };
const LABELS = { url: "URL", description: "Description", events: "Events", headers: "Headers", enabled: "On" };
const HEADERS_HINT = "Optional. One per line, e.g. X-Shop: north";
const KEEPING_HINT =
  "Saved values aren't shown. A name on its own keeps its value, unless the URL's scheme, host or port changes.";

/**
 * Opens the form. Resolves with the saved webhook, or undefined.
 *
 * @param {string | null} id Null for a new webhook.
 */
export async function editWebhook(id) {
  const makeFields = async () => {
    /** @type {import("../api.js").ApiResponse<{ items: Api.EventType[] }>} */
    const { data } = await get("/api/event-types");
    return fieldsOf(id === null, data.items);
  };
  /** @type {Api.Webhook | undefined} */
  const saved = await editRecord({
    what: "webhook",
    path: "/api/webhooks",
    id,
    blank: BLANK,
    makeFields,
    labels: LABELS,
    comparable,
    scope: "admin",
  });
  if (!saved) return undefined;
  if (saved.secret) await showWebhookSecret(saved.secret);
  notify(id === null ? "Webhook created." : "Webhook saved.");
  return saved;
}

/**
 * @param {boolean} isNew
 * @param {Api.EventType[]} types
 * @returns {Ui.Fields<Api.WebhookFields>}
 */
function fieldsOf(isNew, types) {
  const url = field({
    label: LABELS.url,
    hint: "The HTTPS URL we'll POST to.",
    make: (attributes) =>
      h("input", { ...attributes, type: "url", autocomplete: "off", spellcheck: "false", placeholder: "https://" }),
  });
  const headers = field({
    label: LABELS.headers,
    hint: isNew ? HEADERS_HINT : `${HEADERS_HINT}. ${KEEPING_HINT}`,
    make: (attributes) => h("textarea", { ...attributes, rows: 2, spellcheck: "false" }),
  });
  return {
    url: { ...url, value: () => url.value().trim() },
    description: field({
      label: LABELS.description,
      make: (attributes) => h("input", { ...attributes, autocomplete: "off" }),
    }),
    events: eventChoice(types),
    headers: {
      ...headers,
      value: () => parseHeaders(headers.value(), isNew ? "" : null),
      fill: (stored) => headers.fill(Object.keys(stored).join("\n")),
    },
    enabled: checkbox("On (send deliveries)"),
  };
}

/**
 * Parses one header per line. A name without a value gets `missing`: null keeps the stored value, and the API refuses
 * it if there is none.
 *
 * @param {string} text
 * @param {string | null} missing
 */
function parseHeaders(text, missing) {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [line, missing] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
}

/**
 * The parts of a webhook that two versions are compared by. Events and headers have no order, and of a stored header
 * only the name is known.
 *
 * @param {Api.WebhookFields} webhook
 */
const comparable = ({ url, description, events, headers, enabled }) => ({
  url,
  description,
  events: events.includes("*") ? "All events" : sortedLines(events),
  headers: sortedLines(Object.entries(headers).map(([name, value]) => (value === null ? name : `${name} (new value)`))),
  enabled,
});

/** @param {string[]} texts */
const sortedLines = (texts) => texts.toSorted().join("\n");
