// One import: its upload, progress, result and rejected rows.

import { get, post } from "../api.js";
import { button } from "../components/button.js";
import { copyButton } from "../components/copy.js";
import { importProgress } from "../components/import-progress.js";
import { notify, reporting } from "../components/notices.js";
import { rejectedRows } from "../components/rejected-rows.js";
import { rowCounts } from "../components/row-counts.js";
import { errorState, message, outageMessage } from "../components/states.js";
import { RUNNING } from "../components/status.js";
import { throughput } from "../components/throughput.js";
import { h, setChildren, setText } from "../dom.js";
import { bytes, count, counted, duration, when } from "../format.js";
import { uploadOf } from "../uploads.js";
import { absoluteLink, link } from "../urls.js";
import { watch } from "../watch.js";

/** @typedef {import("../api.js").ApiResponse<Api.Import>} ImportResponse */

/** @param {Ui.PageContext} context */
export function open({ main, id, signal }) {
  const path = `/api/imports/${id}`;
  const title = h("h1", { tabindex: "-1", class: "breakable" }, "Import");
  const about = h("p", { class: "lead figures" }, " ");
  const body = h("div", { class: "stack" });
  main.append(h("p", { class: "back" }, h("a", { href: link("/imports") }, "← All imports")), title, about, body);

  const progress = importProgress();
  const counts = rowCounts();
  const speed = throughput(id, signal);
  const rejected = rejectedRows(id, signal);
  const reason = h("div", { role: "alert" });
  const warnings = h("div");
  const actions = h("p", { class: "actions" });
  const outage = outageMessage();
  let wasRunning = false;
  /** @type {Api.Import | null} */
  let shown = null;

  const cancel = async () => {
    const upload = uploadOf(id);
    if (upload) await upload.cancel();
    else await update(post(`${path}/cancel`));
    notify("Import cancelled. Products imported so far are kept.");
    if (upload) await update(get(path));
  };
  const retry = async () => {
    await update(post(`${path}/retry`));
    follow();
  };
  /** @param {Promise<ImportResponse>} response */
  const update = async (response) => show((await response).data);

  /** @param {Api.Import} record */
  const show = (record) => {
    const isRunning = RUNNING.has(record.status);
    setText(title, record.filename);
    document.title = `${record.filename} – Product Importer`;
    setText(about, summary(record));
    showProgress(record);
    counts.show(record);
    setChildren(reason, reasonOf(record));
    setChildren(
      warnings,
      record.warnings.map((each) => message("warn", "warning", each)),
    );
    speed.show(record);
    if (!isRunning) rejected.show(record);
    if (wasRunning && record.status === "completed") notify(`Imported ${record.filename}: ${outcome(record.rows)}.`);
    wasRunning = isRunning;
    shown = record;
  };
  /** @param {Api.Import} record */
  const showProgress = (record) => {
    progress.show(record, uploadOf(id));
    setChildren(actions, importActions(record, cancel, retry));
  };
  const follow = () =>
    watch(path, { signal, show, isDone: (each) => !RUNNING.has(each.status), onOutage: outage.show }).catch((error) => {
      if (signal.aborted) return;
      setChildren(
        body,
        errorState(error, () => location.reload()),
      );
    });

  uploadOf(id)?.addEventListener("change", () => shown && RUNNING.has(shown.status) && showProgress(shown), { signal });
  setChildren(
    body,
    h(
      "section",
      { class: "card", "aria-label": "Progress" },
      progress.element,
      outage.element,
      reason,
      warnings,
      counts.element,
      speed.element,
      actions,
    ),
    rejected.element,
  );
  follow();
}

/**
 * @param {Api.Import} record
 * @param {Ui.Action} cancel
 * @param {Ui.Action} retry
 */
function importActions({ id, status, error, rows }, cancel, retry) {
  const upload = uploadOf(id);
  const isRunning = RUNNING.has(status);
  return [
    isRunning &&
      upload?.state === "interrupted" &&
      button("Retry upload", { key: "send", kind: "primary", click: () => upload.send() }),
    isRunning && button("Cancel import", { key: "cancel", click: reporting(cancel) }),
    status === "failed" &&
      error?.retryable &&
      button("Try again", { key: "retry", kind: "primary", click: reporting(retry) }),
    !isRunning && h("a", { class: "button", href: link("/imports"), data: { key: "another" } }, "Import another file"),
    !isRunning &&
      rows.total > 0 &&
      h("a", { class: "button", href: link("/products"), data: { key: "products" } }, "View products"),
    copyButton("Copy link", () => absoluteLink(`/imports/${id}`), "Link copied. Anyone with a token can open it."),
  ];
}

/** @param {Api.Import} record */
function reasonOf({ status, error }) {
  if (!error) return null;
  if (status === "cancelled") return message("warn", "stop", error.message);
  if (status !== "failed") return null;
  return message(
    "bad",
    "cross",
    error.retryable ? error.message : `${error.message} Fix the file and import it again.`,
  );
}

/** @param {Api.Import} record */
function summary({ bytes: { total }, created_at: created, started_at: started, finished_at: finished, attempt }) {
  const parts = [bytes(total), `started ${when(created)}`];
  if (started && finished) parts.push(`took ${duration((Date.parse(finished) - Date.parse(started)) / 1000)}`);
  if (attempt > 1) parts.push(`attempt ${attempt}`);
  return parts.join(", ");
}

/** @param {Api.RowCounts} rows */
function outcome({ total, rejected }) {
  const imported = counted(total - rejected, "row");
  return rejected ? `${imported}, ${count(rejected)} rejected` : imported;
}
