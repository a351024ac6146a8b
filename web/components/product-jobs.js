// Exports and the deletion of all products, which outlast a request. The session remembers those that were started here
// across reloads; those that were started elsewhere, in another tab or by a program, are found in the API's lists.

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
 * @typedef {"here" | "before" | "elsewhere"} Start Where a job was started, or that it was before the page was loaded.
 * @typedef {{ path: string, title: string, failed: string }} Kind
 */

const KEY = "product-importer-jobs";
const LISTED_MAX = 20; // Of each kind, the newest. The API runs no more exports than this at a time.
const LIST_SECONDS = 5;
const SHOWN_MAX = 6; // Finished jobs that were started elsewhere make room for others.
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
 * A list of running and finished jobs. `onDeleted` is called when products have disappeared, and when all of their rows
 * have. In between `isDeleting` returns true; whether it does is known once `isKnown` has resolved.
 *
 * @param {AbortSignal} signal
 * @param {() => void} onDeleted
 */
export function productJobs(signal, onDeleted) {
  const element = h("div", { class: "jobs" });
  /** @type {Set<string>} */
  const followed = new Set();
  /** @type {Set<string>} */
  const deleting = new Set();
  /** @type {(job: StoredJob, isRunning: boolean) => void} */
  const note = ({ kind, id }, isRunning) => {
    if (kind !== "delete" || isRunning === deleting.has(id)) return;
    if (isRunning) deleting.add(id);
    else deleting.delete(id);
    onDeleted();
  };
  /** @type {(job: StoredJob, start: Start) => void} */
  const show = (job, start) => {
    if (followed.has(job.id)) return;
    followed.add(job.id);
    follow(element, job, { start, signal, note: (isRunning) => note(job, isRunning) });
  };
  for (const stored of storedJobs()) show(stored, "before");
  /** @param {StoredJob} job */
  const found = (job) => show(job, "elsewhere");
  discover("export", signal, found);
  const isKnown = discover("delete", signal, (job) => {
    note(job, true);
    found(job);
  });
  /** @param {Job | undefined} job */
  const add = (job) => {
    if (!job) return;
    /** @type {StoredJob} */
    const stored = { kind: "deleted" in job ? "delete" : "export", id: job.id };
    storeJobs([...storedJobs(), stored]);
    note(stored, true);
    show(stored, "here");
  };
  return { element, add, isKnown, isDeleting: () => deleting.size > 0 };
}

/**
 * Reads the list of a kind of job as long as the page is open, and calls `found` for each job that is running now or is
 * started later. Resolves once the list has been read, or could not be.
 *
 * @param {keyof typeof KINDS} kind
 * @param {AbortSignal} signal
 * @param {(job: StoredJob) => void} found
 * @returns {Promise<void>}
 */
function discover(kind, signal, found) {
  /** @type {Set<string> | null} */
  let seen = null;
  return new Promise((resolve) => {
    /** @param {Pick<Api.Page<Pick<Job, "id" | "status">>, "items">} page */
    const show = ({ items }) => {
      const isNew = (/** @type {Pick<Job, "id" | "status">} */ { id, status }) =>
        seen ? !seen.has(id) : RUNNING.has(status);
      for (const { id } of items.filter(isNew).toReversed()) found({ kind, id });
      seen = new Set(items.map((each) => each.id));
      resolve();
    };
    watch(`${KINDS[kind].path}?limit=${LISTED_MAX}`, { signal, show, read: readSlowly, onOutage: () => resolve() })
      .catch(report)
      .finally(resolve);
  });
}

/** @type {typeof get} */
const readSlowly = async (path, options) => ({ ...(await get(path, options)), retryAfter: LIST_SECONDS });

/**
 * Shows a job until the user dismisses it. `note` is called with whether it is running.
 *
 * @param {HTMLElement} place
 * @param {StoredJob} stored
 * @param {{ start: Start, signal: AbortSignal, note: (isRunning: boolean) => void }} options
 */
async function follow(place, { kind: name, id }, { start, signal, note }) {
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
  makeRoom(place);
  place.append(element);
  let isNews = start === "here"; // Whether the user has waited here for the job to end.
  /** @param {Job} job */
  const show = (job) => {
    setChildren(status, statusBadge(job.status));
    bar.value = job.percent;
    setText(detail, `${percent(job.percent)} · ${progressText(job)}`);
    note(RUNNING.has(job.status));
    if (RUNNING.has(job.status)) {
      isNews = true;
      return;
    }
    element.dataset.ended = start;
    setChildren(actions, finishedActions(job, path), button("Dismiss", { click: dismiss }));
    if (!isNews || start === "elsewhere") return;
    if (job.status === "completed") notify(successText(job));
    else notifyFailure(`${kind.failed} ${job.error?.message ?? ""}`);
  };
  try {
    await watch(path, { signal, show, isDone: (job) => !RUNNING.has(job.status) });
  } catch (error) {
    note(false);
    dismiss();
    if (!(error instanceof ApiError && error.status === 404)) report(error);
  }
}

/**
 * Removes the oldest finished job that was started elsewhere, if many are shown.
 *
 * @param {HTMLElement} place
 */
function makeRoom(place) {
  const ended = [...place.querySelectorAll('[data-ended="elsewhere"]')];
  const oldest = ended.find((each) => !each.contains(document.activeElement));
  if (place.childElementCount >= SHOWN_MAX) oldest?.remove();
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
