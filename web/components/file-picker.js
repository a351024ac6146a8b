// Where a file is chosen or dropped, and looked at before it is sent.

import { preview } from "../csv-preview.js";
import { h, refill } from "../dom.js";
import { readHead } from "../file-head.js";
import { filePreview } from "./file-preview.js";
import { icon } from "./icons.js";
import { complain, report } from "./notices.js";

/** `start(file, encoding)` sends it. Files may be dropped anywhere on the page until `signal` is aborted. */
export function filePicker({ signal, start }) {
  const input = h("input", {
    id: "file",
    type: "file",
    class: "file-input",
    accept: ".csv,.tsv,.txt,.gz,text/csv,text/tab-separated-values",
    "aria-describedby": "file-hint",
  });
  const zone = h(
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
  const chosen = h("div", { "aria-live": "polite" });
  const section = h("section", { class: "card picker", "aria-label": "New import" }, zone, chosen);

  const show = async (file) => {
    if (!file) return;
    try {
      const head = await readHead(file);
      const look = (encoding) => preview(head.bytes, { isWhole: head.isWhole, encoding });
      refill(chosen, filePreview({ file, head, look, start, forget }));
      zone.hidden = true;
      chosen.querySelector("h2").focus();
    } catch (error) {
      if (error.name === "NotReadableError" || error.name === "NotFoundError")
        complain("Your browser can't read this file. Check that it still exists and isn't a folder.");
      else report(error);
    }
  };
  const forget = () => {
    refill(chosen);
    zone.hidden = false;
    input.value = "";
    input.focus();
  };
  input.addEventListener("change", () => show(input.files[0]));
  acceptDrops(section, signal, show);
  return section;
}

function acceptDrops(section, signal, show) {
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
      const { files } = event.dataTransfer;
      if (files.length > 1) complain("Only the first file was used. Drop one file at a time.");
      show(files[0]);
    },
    { signal },
  );
}
