// The form for one webhook.

import { get } from "../api.js";
import { h } from "../dom.js";
import { eventChoice } from "./event-choice.js";
import { checkbox, field } from "./fields.js";
import { tell } from "./notices.js";
import { editRecord } from "./record-form.js";
import { showSecret } from "./webhook-secret.js";

const NEW = { url: "", description: "", events: ["*"], enabled: true, headers: {} };
const LABELS = { url: "URL", description: "Description", events: "Events", headers: "Headers", enabled: "On" };
const HEADERS_HINT = "Optional. One per line, e.g. X-Shop: north";

/** Opens the form; `id` is null for a new webhook. Resolves with the saved webhook, or undefined. */
export async function editWebhook(id) {
  const fields = async () => fieldsFor(id === null, (await get("/api/event-types")).data.items);
  const webhook = { what: "webhook", path: "/api/webhooks", blank: NEW, labels: LABELS, flat };
  const saved = await editRecord({ ...webhook, id, fields });
  if (!saved) return undefined;
  if (saved.secret) await showSecret(saved.secret);
  tell(id === null ? "Webhook created." : "Webhook saved.");
  return saved;
}

function fieldsFor(isNew, types) {
  const url = field({
    label: LABELS.url,
    hint: "The HTTPS URL we'll POST to.",
    make: (ties) =>
      h("input", { ...ties, type: "url", autocomplete: "off", spellcheck: "false", placeholder: "https://" }),
  });
  const headers = field({
    label: LABELS.headers,
    hint: isNew ? HEADERS_HINT : `${HEADERS_HINT}. Saved values aren't shown. A name on its own keeps its value.`,
    make: (ties) => h("textarea", { ...ties, rows: 2, spellcheck: "false" }),
  });
  return {
    url: { ...url, value: () => url.value().trim() },
    description: field({ label: LABELS.description, make: (ties) => h("input", { ...ties, autocomplete: "off" }) }),
    events: eventChoice(types),
    headers: {
      ...headers,
      value: () => headersOf(headers.value(), isNew ? "" : null),
      fill: (stored) => headers.fill(Object.keys(stored).join("\n")),
    },
    enabled: checkbox("On (send deliveries)"),
  };
}

/** Lines as headers. A name alone gets `alone`: null keeps the value that is stored, and is refused where there is none. */
function headersOf(text, alone) {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return colon < 0 ? [line, alone] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
}

/** Neither events nor headers have an order. Of a header that is stored only the name is known. */
const flat = (webhook) => ({
  ...webhook,
  events: webhook.events.includes("*") ? "All events" : listed(webhook.events),
  headers: listed(
    Object.entries(webhook.headers).map(([name, value]) => (value === null ? name : `${name} (new value)`)),
  ),
});
const listed = (texts) => texts.toSorted().join("\n");
