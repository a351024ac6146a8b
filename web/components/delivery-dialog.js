// One delivery in a dialog: the request, and the result of each attempt.

import { needs } from "../access.js";
import { get } from "../api.js";
import { h } from "../dom.js";
import { whenExactly } from "../format.js";
import { button } from "./button.js";
import { deliveryResult } from "./delivery-status.js";
import { busy, openDialog, problemMessage } from "./dialog.js";
import { statusBadge } from "./status.js";

/**
 * Opens the dialog. Resolves with true if the user redelivered.
 *
 * @param {string} id
 * @param {(delivery: Api.Delivery) => Promise<void>} redeliver
 */
export async function showDelivery(id, redeliver) {
  /** @type {import("../api.js").ApiResponse<Api.DeliveryDetails>} */
  const { data: delivery } = await get(`/api/deliveries/${id}`);
  /** @param {(value?: boolean) => void} close */
  const fill = (close) => {
    const problem = problemMessage();
    const again = button("Redeliver", {
      kind: "primary",
      click: () =>
        busy(again, problem, async () => {
          await redeliver(delivery);
          close(true);
        }),
    });
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
      h("footer", { class: "actions end" }, button("Close", { click: () => close() }), needs("write", again)),
    ];
  };
  return openDialog({ title: delivery.event_type, wide: true, fill });
}

/** @param {Api.Attempt} each */
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
    each.status_code !== null && each.error && h("p", { class: "hint" }, each.error),
    each.response_body && text("Response body", each.response_body),
    headers && h("details", {}, h("summary", {}, "Request headers"), text("Request headers", headers)),
  );
}

/**
 * @param {string} label
 * @param {string} content
 */
const text = (label, content) =>
  h("pre", { class: "sent", tabindex: "0", role: "region", "aria-label": label }, content);

/** @param {string} json */
function pretty(json) {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
