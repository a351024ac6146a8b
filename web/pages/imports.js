// Imports: choose and preview a file, and the history of all imports.

import { lacking, needs } from "../access.js";
import { ApiError, get } from "../api.js";
import { filePicker } from "../components/file-picker.js";
import { report } from "../components/notices.js";
import { pager } from "../components/pager.js";
import { emptyState, errorState } from "../components/states.js";
import { importBadge, RUNNING } from "../components/status.js";
import { skeleton, table } from "../components/table.js";
import { h, setChildren, setText } from "../dom.js";
import { count, counted, percent, when } from "../format.js";
import { startUpload, uploadOf } from "../uploads.js";
import { link, navigate, toQuery, updateUrl } from "../urls.js";

const PATH = "/imports";
const ITEMS = 20;
const REFRESH_MS = 2000;
const NONE = "–"; // Before the file has arrived, there is nothing to count.

/** @type {Ui.Column<Api.Import>[]} */
const COLUMNS = [
  {
    title: "File",
    class: "main-cell sentence-cell",
    cell: (each) => h("a", { href: link(`${PATH}/${each.id}`), data: { key: `import-${each.id}` } }, each.filename),
  },
  {
    title: "Status",
    class: "status-cell",
    cell: (each) => [
      importBadge(each, uploadOf(each.id)),
      each.status === "processing" && h("span", { class: "hint figures" }, ` ${percent(each.percent)}`),
    ],
  },
  { title: "Rows", class: "number", cell: (each) => (each.status === "pending" ? NONE : count(each.rows.total)) },
  {
    title: "Rejected",
    class: "number",
    cell: (each) => {
      if (each.status === "pending") return NONE;
      return each.rows.rejected ? h("span", { class: "bad-text" }, count(each.rows.rejected)) : "0";
    },
  },
  {
    title: "Started",
    cell: (each) => h("time", { datetime: each.created_at, class: "nowrap" }, when(each.created_at)),
  },
];

/** @param {Ui.PageContext} context */
export function open({ main, query, signal }) {
  const list = h("div", { class: "list-region" }, skeleton(4));
  const total = h("span", { class: "hint" });
  main.append(
    h("h1", { tabindex: "-1" }, "Imports"),
    h(
      "p",
      { class: "lead" },
      "Upload a CSV of your products. We add new SKUs, update existing ones, and show why any row was rejected.",
    ),
    needs(
      "write",
      filePicker({ signal, start: async (file, encoding) => navigate(`${PATH}/${await startUpload(file, encoding)}`) }),
    ),
    lacking("write", "Your token can't import files: that needs the write scope."),
    h(
      "section",
      { "aria-labelledby": "history" },
      h("div", { class: "section-head" }, h("h2", { id: "history" }, "All imports"), total),
      list,
    ),
  );

  let cursor = query.get("cursor") ?? "";
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));
  const load = async () => {
    clearTimeout(timer);
    list.setAttribute("aria-busy", "true");
    await refresh();
    list.removeAttribute("aria-busy");
  };
  const refresh = async () => {
    try {
      /** @type {import("../api.js").ApiResponse<Api.Page<Api.Import>>} */
      const { data: page } = await get(`/api/imports?${toQuery({ limit: ITEMS, cursor })}`, { signal });
      setText(total, counted(page.total, "import"));
      setChildren(list, history(page, goTo));
      if (page.items.some((each) => RUNNING.has(each.status))) timer = setTimeout(refresh, REFRESH_MS);
    } catch (error) {
      if (signal.aborted) return;
      setChildren(list, errorState(error, load));
      if (!(error instanceof ApiError)) report(error);
    }
  };
  /** @param {string} target */
  const goTo = (target) => {
    cursor = target;
    updateUrl(PATH, { cursor }, { replace: false });
    load();
  };
  load();
  return {
    /** @param {URLSearchParams} changed */
    change: (changed) => {
      cursor = changed.get("cursor") ?? "";
      load();
    },
  };
}

/**
 * @param {Api.Page<Api.Import>} page
 * @param {(cursor: string) => void} goTo
 */
function history(page, goTo) {
  if (!page.items.length) return emptyState("No imports yet", "Your imports will appear here.");
  return [
    table({ caption: "Imports, newest first", columns: COLUMNS, items: page.items, key: (each) => each.id }),
    (page.next || page.prev) && pager({ text: "Newest first", page, onGo: goTo }),
  ];
}
