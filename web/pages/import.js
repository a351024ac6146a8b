// One import: its upload, its progress, how it ended, and what was rejected.

import { get, post } from "../api.js";
import { link, shareable } from "../address.js";
import { button } from "../components/button.js";
import { copyButton } from "../components/copy.js";
import { icon } from "../components/icons.js";
import { importProgress } from "../components/import-progress.js";
import { reporting, tell } from "../components/notices.js";
import { rowCounts } from "../components/row-counts.js";
import { rejectedRows } from "../components/rejected-rows.js";
import { errorState, lostState } from "../components/states.js";
import { RUNNING } from "../components/status.js";
import { throughput } from "../components/throughput.js";
import { h, refill, setText } from "../dom.js";
import { bytes, count, counted, duration, when } from "../format.js";
import { uploadOf } from "../uploads.js";
import { watch } from "../watch.js";

const NOT_AGAIN = "Fix the file and import it again.";

export function open({ main, id, signal }) {
  const title = h("h1", { tabindex: "-1", class: "breakable" }, "Import");
  const about = h("p", { class: "lead figures" }, " ");
  const body = h("div", { class: "stack" });
  main.append(h("p", { class: "back" }, h("a", { href: link("/imports") }, "← All imports")), title, about, body);

  const progress = importProgress();
  const figures = rowCounts();
  const speed = throughput(id, signal);
  const rejected = rejectedRows(id, signal);
  const reason = h("div", { role: "alert" });
  const warnings = h("div");
  const actions = h("p", { class: "actions" });
  const lost = lostState();
  let found = null;
  let wasRunning = false;

  const cancel = reporting(async () => {
    const upload = uploadOf(id);
    if (upload) await upload.cancel();
    else show((await post(`/api/imports/${id}/cancel`)).data);
    tell("Import cancelled. Products imported so far are kept.");
    if (upload) show((await get(`/api/imports/${id}`)).data);
  });
  const retry = reporting(async () => {
    show((await post(`/api/imports/${id}/retry`)).data);
    follow();
  });

  const drawActions = () => {
    const upload = uploadOf(id);
    const runs = RUNNING.has(found.status);
    refill(
      actions,
      runs && upload?.state === "broken" && doing("Retry upload", "send", "primary", () => upload.send()),
      runs && doing("Cancel import", "cancel", "", cancel),
      found.status === "failed" && found.error?.retryable && doing("Try again", "retry", "primary", retry),
      !runs && h("a", { class: "button", href: link("/imports"), data: { key: "another" } }, "Import another file"),
      !runs &&
        found.rows.total > 0 &&
        h("a", { class: "button", href: link("/products"), data: { key: "products" } }, "View products"),
      copyButton("Copy link", () => shareable(`/imports/${id}`), "Link copied. Anyone with a token can open it."),
    );
  };
  const show = (next) => {
    found = next;
    setText(title, found.filename);
    document.title = `${found.filename} – Product Importer`;
    setText(about, summary(found));
    progress.show(found, uploadOf(id));
    figures.show(found);
    refill(
      reason,
      found.error &&
        found.status === "failed" &&
        message("bad", "cross", found.error.retryable ? found.error.message : `${found.error.message} ${NOT_AGAIN}`),
      found.error && found.status === "cancelled" && message("warn", "stop", found.error.message),
    );
    refill(
      warnings,
      found.warnings.map((each) => message("warn", "warning", each)),
    );
    drawActions();
    speed.show(found);
    if (!RUNNING.has(found.status)) rejected.show(found);
    if (wasRunning && found.status === "completed") tell(`Imported ${found.filename}: ${outcome(found.rows)}.`);
    wasRunning = RUNNING.has(found.status);
  };
  const follow = () =>
    watch(`/api/imports/${id}`, {
      signal,
      show,
      ended: (each) => !RUNNING.has(each.status),
      lost: lost.show,
    }).catch((error) => {
      if (!signal.aborted)
        refill(
          body,
          errorState(error, () => location.reload()),
        );
    });

  uploadOf(id)?.addEventListener(
    "change",
    () => found && RUNNING.has(found.status) && (progress.show(found, uploadOf(id)), drawActions()),
    { signal },
  );
  refill(
    body,
    h(
      "section",
      { class: "card", "aria-label": "Progress" },
      progress.element,
      lost.element,
      reason,
      warnings,
      figures.element,
      speed.element,
      actions,
    ),
    rejected.element,
  );
  follow();
}

const doing = (label, key, kind, click) => button(label, { key, kind, click });
const message = (kind, picture, text) => h("p", { class: `message ${kind}` }, icon(picture), text);

function summary(found) {
  const took =
    found.finished_at && found.started_at
      ? `, took ${duration((new Date(found.finished_at) - new Date(found.started_at)) / 1000)}`
      : "";
  return `${bytes(found.bytes.total)}, started ${when(found.created_at)}${took}${found.attempt > 1 ? `, attempt ${found.attempt}` : ""}`;
}

function outcome({ total, rejected }) {
  const taken = counted(total - rejected, "row");
  return rejected ? `${taken}, ${count(rejected)} rejected` : taken;
}
