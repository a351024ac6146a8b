// The page: sign in, choose a file, upload it, watch the import.

import * as api from "./api.js";
import { showHistory, showImport, showRejected, showUploading } from "./views.js";
import { upload } from "./upload.js";

const POLL_MS = 500;
const HISTORY_ITEMS = 10;
const REJECTED_ITEMS = 50;
const RUNNING = new Set(["pending", "processing"]);

const $ = (id) => document.getElementById(id);
let watching = null; // the id of the import on the page
let uploading = null; // the AbortController of the upload in the browser

addEventListener("hashchange", start);
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  api.keepToken($("token").value.trim());
  start();
});
$("upload").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => importFile($("file").files[0]));
});
$("cancel").addEventListener("click", () => attempt(cancel));
$("retry").addEventListener("click", () => attempt(async () => {
  await api.post(`/api/imports/${watching}/retry`);
  await watch(watching);
}));
$("download").addEventListener("click", () => attempt(downloadRejected));
start();

function start() {
  api.takeTokenFromLink();
  $("sign-in").hidden = api.hasToken();
  $("upload").hidden = !api.hasToken();
  if (!api.hasToken()) return;
  attempt(async () => {
    await refreshHistory();
    const shared = new URLSearchParams(location.search).get("import");
    if (shared) await watch(shared);
  });
}

/** Runs an action and shows its failure as what it is. */
async function attempt(action) {
  $("notice").hidden = true;
  try {
    await action();
  } catch (error) {
    if (error.status === 401) {
      api.forgetToken();
      $("sign-in").hidden = false;
      $("upload").hidden = $("history").hidden = $("current").hidden = true;
    }
    $("notice").textContent = error.status === 401 ? "This token is not valid (any more). Sign in again." : error.message;
    $("notice").hidden = false;
    if (!(error instanceof api.ApiError)) throw error;
  }
}

async function importFile(file) {
  const registered = await api.post("/api/imports", { filename: file.name, size_bytes: file.size });
  history.replaceState(null, "", `?import=${registered.id}`);
  watching = registered.id;
  uploading = new AbortController();
  const startedAt = performance.now();
  const progress = (sent) => showUploading(registered, sent, file.size, (performance.now() - startedAt) / 1000);
  progress(0);
  $("upload").querySelector("button").disabled = true;
  try {
    await upload(file, registered.upload, progress, uploading.signal);
  } catch (error) {
    await api.post(`/api/imports/${registered.id}/cancel`);
    showImport(await api.get(`/api/imports/${registered.id}`));
    throw error;
  } finally {
    uploading = null;
    $("upload").querySelector("button").disabled = false;
  }
  await watch(registered.id);
}

async function watch(id) {
  watching = id;
  for (;;) {
    const found = await api.get(`/api/imports/${id}`);
    if (watching !== id) return;
    showImport(found);
    if (!RUNNING.has(found.status)) {
      if (found.rows.rejected) showRejected(await api.get(`/api/imports/${id}/rejected-rows?limit=${REJECTED_ITEMS}`));
      return refreshHistory();
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function cancel() {
  if (uploading) return uploading.abort();
  showImport(await api.post(`/api/imports/${watching}/cancel`));
}

async function refreshHistory() {
  showHistory(await api.get(`/api/imports?limit=${HISTORY_ITEMS}`));
}

async function downloadRejected() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await api.download(`/api/imports/${watching}/rejected-rows.csv`));
  link.download = `rejected-rows-${watching}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
