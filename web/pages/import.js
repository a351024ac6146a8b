// One import: its upload, progress, result and rejected rows.

import { needs } from "../access.js";
import { get, post } from "../api.js";
import { button } from "../components/button.js";
import { copyButton } from "../components/copy.js";
import { icon } from "../components/icons.js";
import { importProgress } from "../components/import-progress.js";
import { notify, notifyFailure, reporting } from "../components/notices.js";
import { rejectedRows } from "../components/rejected-rows.js";
import { rowCounts } from "../components/row-counts.js";
import { errorState, message, outageMessage } from "../components/states.js";
import { importState, RUNNING } from "../components/status.js";
import { throughput } from "../components/throughput.js";
import { h, setChildren, setText } from "../dom.js";
import { bytes, duration, when } from "../format.js";
import { uploadOf } from "../uploads.js";
import { absoluteLink, link } from "../urls.js";
import { watch } from "../watch.js";

/** @import { Upload } from "../uploads.js" */
/** @typedef {import("../api.js").ApiResponse<Api.Import>} ImportResponse */

/** @type {Partial<Record<NonNullable<Api.Import["outcome"]>, import("../components/notices.js").NoticeKind>>} */
const NOTICES = {
  completed: "good",
  completed_with_rejected_rows: "warn",
  nothing_imported: "warn",
  failed: "bad",
};

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
    if (upload && upload.state !== "uploaded") await upload.cancel();
    else await post(`${path}/cancel`);
    await update(get(path));
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
    // Its upload no longer matters once the import has ended, or has its file after all.
    const upload = uploadOf(id);
    if (!isRunning || (record.status !== "pending" && upload?.state === "interrupted")) upload?.stop();
    setText(title, record.filename);
    document.title = `${record.filename} – Product Importer`;
    setText(about, factsOf(record) + fileNote(record));
    showUpload(record);
    counts.show(record);
    setChildren(
      warnings,
      record.warnings.map((each) => message("warn", "warning", each)),
    );
    speed.show(record);
    if (!isRunning) rejected.show(record);
    if (wasRunning && !isRunning) announce(record);
    wasRunning = isRunning;
    shown = record;
  };
  /** @param {Api.Import} record */
  const showUpload = (record) => {
    const upload = uploadOf(id);
    progress.show(record, upload);
    replace(reason, reasonOf(record, upload));
    replace(actions, importActions(record, upload, cancel, retry));
  };
  const follow = () =>
    watch(path, { signal, show, isDone: (each) => !RUNNING.has(each.status), onOutage: outage.show }).catch((error) => {
      if (signal.aborted) return;
      setChildren(
        body,
        errorState(error, () => location.reload()),
      );
    });

  uploadOf(id)?.addEventListener("change", () => shown && showUpload(shown), { signal });
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
 * Replaces the children of an element only if they differ, so that a button under the pointer stays the same button, and
 * an alert is not read twice.
 *
 * @param {HTMLElement} parent
 * @param {Ui.Child} children
 */
function replace(parent, children) {
  const next = [...h("div", {}, children).childNodes];
  const shown = [...parent.childNodes];
  const isSame = next.length === shown.length && next.every((each, index) => each.isEqualNode(shown[index]));
  if (!isSame) setChildren(parent, next);
}

/**
 * @param {Api.Import} record
 * @param {Upload | undefined} upload
 * @param {Ui.Action} cancel
 * @param {Ui.Action} retry
 */
function importActions(record, upload, cancel, retry) {
  const { id, status, error, rows } = record;
  const state = importState(record, upload);
  const isRunning = RUNNING.has(status);
  const hasChanged = upload?.state === "changed";
  // "Cancel import" has a place of its own, so that the second click of a double click on another button cannot hit it.
  return [
    isRunning && !hasChanged && needs("write", button("Cancel import", { key: "cancel", click: reporting(cancel) })),
    state === "interrupted" &&
      button("Retry upload", { key: "send", kind: "primary", click: reporting(() => upload?.retry()) }),
    hasChanged &&
      h("a", { class: "button primary", href: link("/imports"), data: { key: "another" } }, "Choose file again"),
    !isRunning &&
      !hasChanged &&
      needs(
        "write",
        h("a", { class: "button", href: link("/imports"), data: { key: "another" } }, "Import another file"),
      ),
    status === "failed" &&
      error?.retryable &&
      needs("write", button("Retry import", { key: "retry", kind: "primary", click: reporting(retry) })),
    !isRunning &&
      rows.total > 0 &&
      h("a", { class: "button", href: link("/products"), data: { key: "products" } }, "View products"),
    copyButton("Copy link", () => absoluteLink(`/imports/${id}`), "Link copied. Anyone with a token can open it."),
  ];
}

/**
 * Why the upload or the import does not continue.
 *
 * @param {Api.Import} record
 * @param {Upload} [upload]
 */
function reasonOf({ status, error }, upload) {
  return [
    upload?.reason && message("warn", "warning", upload.reason),
    error && status === "failed" && message("bad", "cross", error.message),
    error &&
      status === "cancelled" &&
      error.code !== "cancelled_by_user" && // The status says so.
      h("p", { class: "message plain" }, icon("stop"), error.message),
  ];
}

/** @param {Api.Import} record */
function factsOf({
  status,
  bytes: { total },
  created_at: created,
  started_at: started,
  finished_at: finished,
  attempt,
}) {
  const parts = [bytes(total), `started ${when(created)}`];
  if (started && finished) {
    const verb = status === "completed" ? "took" : `${status} after`;
    parts.push(`${verb} ${duration((Date.parse(finished) - Date.parse(started)) / 1000)}`);
  }
  if (attempt > 1) parts.push(`attempt ${attempt}`);
  return parts.join(", ");
}

/** @param {Api.Import} record */
function fileNote({ status, started_at: started, file_kept: isKept }) {
  if (isKept || !started) return "";
  return status === "failed"
    ? ". The file is no longer kept, so the import cannot be retried."
    : ". The file is no longer kept.";
}

/** @param {Api.Import} record */
function announce({ filename, outcome, summary }) {
  const kind = (outcome && NOTICES[outcome]) ?? "plain";
  if (kind === "bad") notifyFailure(`${filename}: ${summary}`);
  else notify(`${filename}: ${summary}`, kind);
}
