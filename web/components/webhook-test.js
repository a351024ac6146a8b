// Tests of webhooks. The result appears beside the button, and stays there until the next test or until the page closes.

import { ApiError, create } from "../api.js";
import { h, setChildren } from "../dom.js";
import { watch } from "../watch.js";
import { deliveryText } from "./delivery-status.js";
import { icon } from "./icons.js";

const RESULT_MS_MAX = 60_000;
const RESPONSE_CHARACTERS_SHOWN = 200;

/**
 * `changed` is called when a test has been sent, and when it has ended.
 *
 * @param {AbortSignal} signal
 * @param {() => unknown} changed
 */
export function webhookTests(signal, changed) {
  /** @type {Map<string, HTMLElement>} By the webhook's id. */
  const places = new Map();
  /**
   * The place of the result. It is the same element whenever the list is redrawn.
   *
   * @param {string} id
   */
  const place = (id) => {
    const found = places.get(id) ?? h("div", { class: "test-result", role: "status" });
    places.set(id, found);
    return found;
  };
  /**
   * Sends a test event. Resolves once its result is shown.
   *
   * @param {string} id
   */
  const run = async (id) => {
    /** @param {...Ui.Child} parts */
    const show = (...parts) => setChildren(place(id), ...parts);
    show(h("p", { class: "hint" }, "Sending a test…"));
    try {
      show(...resultOf(await send(id, signal, { changed, show })));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      show(failure(`Couldn't send the test: ${error.text}`));
      if (error.isTemporary) return; // The page cannot be read again either.
    }
    if (!signal.aborted) changed();
  };
  return { place, run };
}

/**
 * Resolves with the delivery of the test, or with null if it takes too long.
 *
 * @param {string} id
 * @param {AbortSignal} signal
 * @param {{ changed: () => unknown, show: (...parts: Ui.Child[]) => void }} options
 * @returns {Promise<Api.DeliveryDetails | null>}
 */
async function send(id, signal, { changed, show }) {
  /** @type {import("../api.js").ApiResponse<Api.Delivery>} */
  const { data } = await create(`/api/webhooks/${id}/test`);
  changed();
  return watch(`/api/deliveries/${data.id}`, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(RESULT_MS_MAX)]),
    isDone: (each) => each.status !== "pending",
    onOutage: (error) =>
      show(
        h("p", { class: "hint" }, error ? `${error.text} Still waiting for the result…` : "Waiting for the result…"),
      ),
  });
}

/** @param {Api.DeliveryDetails | null} delivery */
function resultOf(delivery) {
  if (!delivery) return [failure("No result yet. The list of deliveries will show it.")];
  const text = deliveryText(delivery);
  const response = delivery.attempts[0]?.response_body;
  return [
    delivery.status === "delivered"
      ? h("p", { class: "result good" }, icon("check"), `Test delivered: ${text}`)
      : failure(`Test failed: ${text}`),
    response && h("p", { class: "test-response" }, "Response: ", h("code", {}, shortened(response))),
  ];
}

/** @param {string} text */
const failure = (text) => h("p", { class: "result bad" }, icon("cross"), text);

/** @param {string} text */
const shortened = (text) =>
  text.length > RESPONSE_CHARACTERS_SHOWN ? `${text.slice(0, RESPONSE_CHARACTERS_SHOWN)}…` : text;
