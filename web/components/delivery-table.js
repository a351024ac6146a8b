// The columns of the list of deliveries.

import { h } from "../dom.js";
import { count, when, whenExactly } from "../format.js";
import { linkButton } from "./button.js";
import { deliveryResult } from "./delivery-status.js";
import { statusBadge } from "./status.js";

/**
 * @param {(delivery: Api.Delivery) => unknown} open Opens a delivery that was clicked.
 * @returns {Ui.Column<Api.Delivery>[]}
 */
export function deliveryColumns(open) {
  return [
    {
      title: "Event",
      class: "main-cell",
      cell: (each) => [
        linkButton(each.event_type, { key: `delivery-${each.id}`, click: () => open(each) }),
        each.test && h("span", { class: "chip" }, "test"),
      ],
    },
    { title: "Status", cell: (each) => statusBadge(each.status) },
    {
      title: "Response",
      cell: (each) => (each.attempt_count ? deliveryResult(each) : h("span", { class: "hint" }, "None yet")),
    },
    { title: "Attempts", class: "number", cell: (each) => count(each.attempt_count) },
    {
      title: "Created",
      class: "changed-cell",
      cell: (each) => [
        h("time", { datetime: each.created_at, title: whenExactly(each.created_at) }, when(each.created_at)),
        each.next_attempt_at && h("span", { class: "origin" }, `Next attempt ${when(each.next_attempt_at)}`),
      ],
    },
  ];
}
