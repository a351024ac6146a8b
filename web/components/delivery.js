// One delivery in a dialog: what was sent, and what came of each attempt.

import { get } from "../api.js";
import { h } from "../dom.js";
import { whenExactly } from "../format.js";
import { deliveryResult } from "./delivery-status.js";
import { busy, openDialog } from "./dialog.js";
import { statusBadge } from "./status.js";

/** `again(delivery)` sends it once more. Resolves with true when it did. */
export async function showDelivery(id, again) {
  const { data: delivery } = await get(`/api/deliveries/${id}`);
  return openDialog({
    title: delivery.event_type,
    wide: true,
    fill: (close) => {
      const problem = h("p", { class: "message bad", role: "alert", hidden: true });
      const button = h("button", { type: "button", class: "button primary" }, "Redeliver");
      button.addEventListener("click", () => busy(button, problem, async () => close(await again(delivery))));
      return [
        h(
          "p",
          {},
          statusBadge(delivery.status),
          delivery.next_attempt_at &&
            h("span", { class: "hint" }, ` Next attempt: ${whenExactly(delivery.next_attempt_at)}`),
        ),
        h("h3", {}, "Request"),
        h("p", { class: "hint" }, "webhook-id ", h("code", { class: "breakable" }, delivery.event_id)),
        text("Request body", pretty(delivery.request_body)),
        h("h3", {}, delivery.attempts.length ? "Attempts" : "No attempts yet"),
        h("ol", { class: "attempts" }, delivery.attempts.map(attempt)),
        problem,
        h(
          "footer",
          { class: "actions end" },
          h("button", { type: "button", class: "button", on: { click: () => close() } }, "Close"),
          button,
        ),
      ];
    },
  });
}

function attempt(each) {
  const headers = Object.entries(each.request_headers ?? {})
    .map(([name, value]) => `${name}: ${value}`)
    .join("\n");
  return h(
    "li",
    {},
    h(
      "p",
      { class: "section-head" },
      deliveryResult(each),
      h("time", { class: "hint figures", datetime: each.at }, whenExactly(each.at)),
    ),
    each.error && each.status_code && h("p", { class: "hint" }, each.error),
    each.response_body && text("Response body", each.response_body),
    headers && h("details", {}, h("summary", {}, "Request headers"), text("Request headers", headers)),
  );
}

const text = (label, content) =>
  h("pre", { class: "sent", tabindex: "0", role: "region", "aria-label": label }, content);

function pretty(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json ?? "";
  }
}
