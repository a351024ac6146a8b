// The place where the user chooses or drops a file, and previews it before the upload.

import { preview } from "../csv-preview.js";
import { h, setChildren } from "../dom.js";
import { isUnreadable, readHead } from "../file-head.js";
import { filePreview } from "./file-preview.js";
import { icon } from "./icons.js";
import { notifyFailure, report } from "./notices.js";

/**
 * `start` uploads the file. The page accepts dropped files until `signal` is aborted.
 *
 * @param {{ signal: AbortSignal, start: (file: File, encoding: string | null) => Promise<unknown> }} options
 */
export function filePicker({ signal, start }) {
  const input = fileInput();
  const zone = dropzone(input);
  const chosen = h("div", { "aria-live": "polite" });
  const section = h("section", { class: "card picker", "aria-label": "New import" }, zone, chosen);

  const reset = () => {
    setChildren(chosen);
    zone.hidden = false;
    input.value = "";
    input.focus();
  };
  /** @param {File | undefined} file */
  const show = async (file) => {
    if (!file) return;
    try {
      const head = await readHead(file);
      /** @param {string | null} encoding */
      const read = (encoding) => preview(head.bytes, { isWhole: head.isWhole, encoding });
      setChildren(chosen, filePreview({ file, head, read, start, reset }));
      zone.hidden = true;
      chosen.querySelector("h2")?.focus();
    } catch (error) {
      if (isUnreadable(error))
        notifyFailure("Your browser can't read this file. Check that it still exists and isn't a folder.");
      else report(error);
    }
  };
  input.addEventListener("change", () => show(input.files?.[0]));
  acceptDrops(section, signal, show);
  return section;
}

const fileInput = () =>
  h("input", {
    id: "file",
    type: "file",
    class: "file-input",
    accept: ".csv,.tsv,.txt,.gz,text/csv,text/tab-separated-values",
    "aria-describedby": "file-hint",
  });

/** @param {HTMLInputElement} input */
function dropzone(input) {
  return h(
    "div",
    { class: "dropzone" },
    icon("upload"),
    h(
      "p",
      {},
      h("label", { for: "file", class: "button primary" }, "Choose a CSV file"),
      input,
      h("span", { class: "or" }, " or drop it here"),
    ),
    h(
      "p",
      { id: "file-hint", class: "hint" },
      "The first row must contain column names. Required: ",
      h("code", {}, "sku"),
      ", ",
      h("code", {}, "name"),
      ". Optional: ",
      h("code", {}, "description"),
      ", ",
      h("code", {}, "active"),
      ". ",
      h("a", { href: "example.csv", download: "example.csv" }, "Example file"),
    ),
  );
}

/**
 * @param {HTMLElement} section
 * @param {AbortSignal} signal
 * @param {(file: File) => unknown} show
 */
function acceptDrops(section, signal, show) {
  /** @param {DragEvent} event */
  const carriesFile = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener(
    "dragover",
    (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      section.classList.add("dragged-over");
    },
    { signal },
  );
  addEventListener("dragleave", (event) => event.relatedTarget === null && section.classList.remove("dragged-over"), {
    signal,
  });
  addEventListener(
    "drop",
    (event) => {
      if (!carriesFile(event)) return;
      event.preventDefault();
      section.classList.remove("dragged-over");
      const files = event.dataTransfer?.files ?? [];
      if (files.length > 1) notifyFailure("Only the first file was used. Drop one file at a time.");
      show(files[0]);
    },
    { signal },
  );
}
