// Exports and the deletion of all products, which outlast a request. The session remembers them across reloads.

import { ApiError, create, get } from "../api.js";
import { focusHeading, h, setChildren, setText } from "../dom.js";
import { bytes, count, counted, percent } from "../format.js";
import { watch } from "../watch.js";
import { button } from "./button.js";
import { notify, notifyFailure, report, reporting } from "./notices.js";
import { RUNNING, statusBadge } from "./status.js";

/**
 * @typedef {Api.BulkDelete | Api.Export} Job
 * @typedef {{ kind: "delete" | "export", id: string }} StoredJob
 * @typedef {{ path: string, title: string, failed: string }} Kind
 */

const KEY = "product-importer-jobs";
const KINDS = {
  delete: {
    path: "/api/bulk-deletes",
    title: "Deleting all products",
    failed: "Some products could not be deleted.",
  },
  export: {
    path: "/api/exports",
    title: "Exporting products",
    failed: "The export failed.",
  },
};

/** @param {Job} job */
function progressText(job) {
  if ("deleted" in job) return `${count(job.deleted)} of ${counted(job.total, "product")}`;
  return `${counted(job.rows, "product")}, ${bytes(job.size_bytes)}`;
}

/** @param {Job} job */
function successText(job) {
  if ("deleted" in job) return `Deleted ${counted(job.deleted, "product")}.`;
  return `Export ready: ${counted(job.rows, "product")}.`;
}

/**
 * Starts an export of the products that match the filters. Resolves with the job.
 *
 * @param {{ sku: string, name: string, description: string, active: string }} filters
 */
export async function startExport({ sku, name, description, active }) {
  const texts = Object.fromEntries(Object.entries({ sku, name, description }).filter(([, value]) => value));
  /** @type {import("../api.js").ApiResponse<Api.Export>} */
  const { data } = await create("/api/exports", { ...texts, ...(active ? { active: active === "true" } : {}) });
  return data;
}

/**
 * A list of running and finished jobs. `onDeleted` is called when products have disappeared.
 *
 * @param {AbortSignal} signal
 * @param {() => void} onDeleted
 */
export function productJobs(signal, onDeleted) {
  const element = h("div", { class: "jobs" });
  for (const stored of storedJobs()) follow(element, stored, { isNew: false, signal, onDeleted });
  /** @param {Job | undefined} job */
  const add = (job) => {
    if (!job) return;
    /** @type {StoredJob} */
    const stored = { kind: "deleted" in job ? "delete" : "export", id: job.id };
    storeJobs([...storedJobs(), stored]);
    if (stored.kind === "delete") onDeleted();
    follow(element, stored, { isNew: true, signal, onDeleted });
  };
  return { element, add };
}

/**
 * Shows a job until the user dismisses it.
 *
 * @param {HTMLElement} place
 * @param {StoredJob} stored
 * @param {{ isNew: boolean, signal: AbortSignal, onDeleted: () => void }} options
 */
async function follow(place, { kind: name, id }, { isNew, signal, onDeleted }) {
  const kind = KINDS[name];
  const path = `${kind.path}/${id}`;
  const status = h("span", { role: "status" });
  const detail = h("span", { class: "hint figures" });
  const bar = h("progress", { max: 100, value: 0, "aria-label": kind.title });
  const actions = h("div", { class: "actions" });
  const element = h(
    "section",
    { class: "card job", "aria-label": kind.title },
    h("div", { class: "section-head" }, h("strong", {}, kind.title), status),
    bar,
    h("div", { class: "section-head" }, detail, actions),
  );
  const dismiss = () => {
    storeJobs(storedJobs().filter((each) => each.id !== id));
    element.remove();
    focusHeading();
  };
  place.append(element);
  let isNews = isNew; // Whether the user has waited here for the job to end.
  /** @param {Job} job */
  const show = (job) => {
    setChildren(status, statusBadge(job.status));
    bar.value = job.percent;
    setText(detail, `${percent(job.percent)} · ${progressText(job)}`);
    if (RUNNING.has(job.status)) {
      isNews = true;
      return;
    }
    setChildren(actions, finishedActions(job, path), button("Dismiss", { click: dismiss }));
    if (!isNews) return;
    if (job.status === "completed") notify(successText(job));
    else notifyFailure(`${kind.failed} ${job.error?.message ?? ""}`);
    if (name === "delete") onDeleted();
  };
  try {
    await watch(path, { signal, show, isDone: (job) => !RUNNING.has(job.status) });
  } catch (error) {
    dismiss();
    if (!(error instanceof ApiError && error.status === 404)) report(error);
  }
}

/**
 * @param {Job} job
 * @param {string} path
 */
function finishedActions(job, path) {
  if ("deleted" in job || job.status !== "completed") return null;
  if (!job.download) return h("span", { class: "hint" }, "The file has expired.");
  return button("Download", {
    key: "save-export",
    kind: "primary",
    symbol: "download",
    click: reporting(() => saveExport(path)),
  });
}

/**
 * Downloads an export. Its link is valid only for minutes, so each download asks for a new one.
 *
 * @param {string} path
 */
async function saveExport(path) {
  /** @type {import("../api.js").ApiResponse<Api.Export>} */
  const { data } = await get(path);
  if (!data.download) return notifyFailure("The file has expired. Start a new export.");
  h("a", { href: data.download.url, download: "products.csv" }).click();
}

/** @returns {StoredJob[]} */
const storedJobs = () => JSON.parse(sessionStorage.getItem(KEY) ?? "[]");

/** @param {StoredJob[]} jobs */
const storeJobs = (jobs) => sessionStorage.setItem(KEY, JSON.stringify(jobs));
