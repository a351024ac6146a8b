// The form for one webhook, new or known, in a dialog.

import { create, get, patch } from "../api.js";
import { h, uniqueId } from "../dom.js";
import { busy, openDialog } from "./dialog.js";
import { field, plain, showErrors } from "./fields.js";
import { tell } from "./notices.js";
import { showSecret } from "./webhook-secret.js";

const NEW = { url: "", description: "", events: ["*"], enabled: true, headers: {} };
const CHANGED = "Somebody else changed this webhook meanwhile. Close this, look at it again, and then change it.";

/** Opens the form; `id` is null for a new webhook. Resolves with the saved webhook, or undefined. */
export async function editWebhook(id) {
  const [read, types] = await Promise.all([
    id === null ? { data: NEW, etag: null } : get(`/api/webhooks/${id}`),
    get("/api/event-types"),
  ]);
  const saved = await openDialog({
    title: id === null ? "New webhook" : "Edit webhook",
    fill: (close) => form(id, read, types.data.items, close),
  });
  if (!saved) return undefined;
  if (saved.secret) await showSecret(saved.secret);
  tell(id === null ? "The webhook was created." : "The webhook was saved.");
  return saved;
}

function form(id, { data: original, etag }, types, close) {
  const fields = {
    url: field({
      label: "Address",
      hint: "An https address of yours. It is called with POST.",
      make: (ties) =>
        h("input", {
          ...ties,
          type: "url",
          value: original.url,
          autocomplete: "off",
          spellcheck: "false",
          placeholder: "https://",
        }),
    }),
    description: field({
      label: "Description",
      make: (ties) => h("input", { ...ties, value: original.description, autocomplete: "off" }),
    }),
    events: eventChoice(types, original.events),
    headers: field({
      label: "Headers",
      hint: headersHint(original),
      make: (ties) =>
        h("textarea", {
          ...ties,
          rows: 2,
          spellcheck: "false",
          value: Object.keys(original.headers).join("\n"),
        }),
    }),
  };
  const enabled = h("input", { type: "checkbox", id: "webhook-enabled", checked: original.enabled });
  const problem = h("p", { class: "message bad", role: "alert", hidden: true });
  const button = h("button", { class: "button primary" }, id === null ? "Create" : "Save");
  const written = () => ({
    url: fields.url.control.value.trim(),
    description: fields.description.control.value,
    events: fields.events.chosen(),
    enabled: enabled.checked,
    headers: headersOf(fields.headers.control.value, original.headers),
  });
  const changes = () =>
    Object.fromEntries(
      Object.entries(written()).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(original[name])),
    );
  const save = async () => {
    if (id === null) return close((await create("/api/webhooks", written())).data);
    if (!Object.keys(changes()).length) return close();
    close((await patch(`/api/webhooks/${id}`, changes(), { headers: etag ? { "If-Match": etag } : {} })).data);
  };
  const submit = async (event) => {
    event.preventDefault();
    for (const each of Object.values(fields)) each.setError("");
    const error = await busy(button, problem, save);
    if (error?.status === 412) problem.textContent = CHANGED;
    if (error?.status !== 422) return;
    const rest = showErrors(fields, error.errors).map(plain);
    problem.hidden = !rest.length && error.errors.length > 0;
  };
  return h(
    "form",
    { novalidate: true, on: { submit } },
    fields.url.element,
    fields.description.element,
    fields.events.element,
    fields.headers.element,
    h("p", { class: "check" }, enabled, h("label", { for: enabled.id }, "On: deliveries are sent")),
    problem,
    h(
      "footer",
      { class: "actions end" },
      h("button", { type: "button", class: "button", on: { click: () => close() } }, "Cancel"),
      button,
    ),
  );
}

/** Every event, or some of them. */
function eventChoice(types, chosen) {
  const errorId = uniqueId("events");
  const error = h("p", { id: errorId, class: "field-error" });
  const box = (value, label, hint) => {
    const input = h("input", { type: "checkbox", id: uniqueId("event"), value, checked: chosen.includes(value) });
    return {
      input,
      element: h(
        "div",
        { class: "check" },
        input,
        h("div", {}, h("label", { for: input.id }, label), hint && h("p", { class: "hint" }, hint)),
      ),
    };
  };
  const every = box("*", "Every event, also those that are added later");
  const boxes = types.map((each) => box(each.type, each.type, each.description));
  const some = h(
    "div",
    { class: "some-events" },
    boxes.map((each) => each.element),
  );
  const show = () => {
    some.hidden = every.input.checked;
  };
  every.input.addEventListener("change", show);
  show();
  return {
    element: h("fieldset", { "aria-describedby": errorId }, h("legend", {}, "Events"), every.element, some, error),
    control: every.input,
    chosen: () =>
      every.input.checked ? ["*"] : boxes.filter((each) => each.input.checked).map((each) => each.input.value),
    setError: (text) => error.replaceChildren(text),
  };
}

const headersHint = ({ headers }) =>
  Object.keys(headers).length
    ? "One a line, as in X-Shop: north. Values are not shown again: a name alone keeps the value it has."
    : "If your system wants some: one a line, as in X-Shop: north";

/** Lines as headers. A name alone that is stored already keeps its value, which is what null says. */
function headersOf(text, stored) {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      if (colon < 0) return [line, line in stored ? null : ""];
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    }),
  );
}
