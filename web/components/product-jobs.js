// What runs longer than a request: exports and the deletion of everything. Kept for the session, so that they are found
// again after the page was loaded anew.

import { create, get } from "../api.js";
import { h, refill, setText } from "../dom.js";
import { bytes, count, counted, percent } from "../format.js";
import { watch } from "../watch.js";
import { icon } from "./icons.js";
import { complain, report, reporting, tell } from "./notices.js";
import { RUNNING, statusBadge } from "./status.js";

const KEY = "product-importer-jobs";
const KINDS = {
  delete: {
    path: (id) => `/api/bulk-deletes/${id}`,
    title: "Deleting all products",
    detail: (job) => `${count(job.deleted)} of ${counted(job.total, "product")}`,
    done: (job) => `Deleted ${counted(job.deleted, "product")}.`,
    failed: "Some products could not be deleted.",
  },
  export: {
    path: (id) => `/api/exports/${id}`,
    title: "Exporting products",
    detail: (job) => `${counted(job.rows, "product")}, ${bytes(job.size_bytes)}`,
    done: (job) => `Export ready: ${counted(job.rows, "product")}.`,
    failed: "The export failed.",
  },
};

/** Starts an export of what these filters let through. Resolves with the job. */
export async function startExport({ sku, name, description, active }) {
  const texts = Object.fromEntries(Object.entries({ sku, name, description }).filter(([, value]) => value));
  return (await create("/api/exports", { ...texts, ...(active ? { active: active === "true" } : {}) })).data;
}

/** `{element, add(job)}`: a strip for each job. `onDeleted()` is called when the list of products is another. */
export function productJobs(signal, onDeleted) {
  const element = h("div", { class: "jobs" });
  const follow = (kind, id, isNew) => strip(element, { name: kind, id, isNew, signal, onDeleted });
  for (const { kind, id } of kept()) follow(kind, id, false);
  const add = (job) => {
    if (!job) return;
    const kind = "deleted" in job ? "delete" : "export";
    keep([...kept(), { kind, id: job.id }]);
    if (kind === "delete") onDeleted();
    follow(kind, job.id, true);
  };
  return { element, add };
}

async function strip(place, { name, id, isNew, signal, onDeleted }) {
  const kind = KINDS[name];
  const status = h("span", { role: "status" });
  const detail = h("span", { class: "hint figures" });
  const bar = h("progress", { max: 100, value: 0, "aria-label": kind.title });
  const end = h("div", { class: "actions" });
  const made = h(
    "section",
    { class: "card job", "aria-label": kind.title },
    h("div", { class: "section-head" }, h("strong", {}, kind.title), status),
    bar,
    h("div", { class: "section-head" }, detail, end),
  );
  const close = () => {
    keep(kept().filter((each) => each.id !== id));
    made.remove();
    document.querySelector("main h1")?.focus();
  };
  place.append(made);
  let isNews = isNew; // whether its end is something that was waited for here
  const show = (job) => {
    refill(status, statusBadge(job.status));
    bar.value = job.percent;
    setText(detail, `${percent(job.percent)} · ${kind.detail(job)}`);
    if (RUNNING.has(job.status)) {
      isNews = true;
      return;
    }
    refill(
      end,
      job.download &&
        h(
          "button",
          {
            type: "button",
            class: "button primary",
            data: { key: "save-export" },
            on: { click: reporting(() => save(kind.path(id))) },
          },
          icon("download"),
          "Download",
        ),
      job.status === "completed" &&
        name === "export" &&
        !job.download &&
        h("span", { class: "hint" }, "The file has expired."),
      h("button", { type: "button", class: "button", on: { click: close } }, "Dismiss"),
    );
    if (!isNews) return;
    if (job.status === "completed") tell(kind.done(job));
    else complain(`${kind.failed} ${job.error?.message ?? ""}`);
    if (name === "delete") onDeleted();
  };
  try {
    await watch(kind.path(id), { signal, show, ended: (job) => !RUNNING.has(job.status) });
  } catch (error) {
    close();
    if (error.status !== 404) report(error);
  }
}

/** The link lives for minutes only, so it is asked for when it is wanted. */
async function save(path) {
  const { download } = (await get(path)).data;
  if (!download) return complain("The file has expired. Start a new export.");
  h("a", { href: download.url, download: "products.csv" }).click();
}

const kept = () => JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
const keep = (jobs) => sessionStorage.setItem(KEY, JSON.stringify(jobs));
