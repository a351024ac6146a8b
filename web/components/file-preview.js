// What the browser can say about a file before the upload.

import { h, setChildren, uniqueId } from "../dom.js";
import { changedText, hasChanged } from "../file-head.js";
import { bytes, count, counted } from "../format.js";
import { button } from "./button.js";
import { busy, problemMessage } from "./dialog.js";
import { icon } from "./icons.js";
import { message } from "./states.js";

/** @import { Preview } from "../csv-preview.js" */
/** @import { Head } from "../file-head.js" */

/** @type {Record<string, string>} */
const SEPARATORS = { ",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Pipe" };
const ENCODINGS = {
  "utf-8": "UTF-8",
  "utf-16": "UTF-16",
  "windows-1250": "Windows-1250 (Central Europe)",
  "windows-1251": "Windows-1251 (Cyrillic)",
  "windows-1252": "Windows-1252 (Western Europe)",
  "windows-1253": "Windows-1253 (Greek)",
  "windows-1254": "Windows-1254 (Turkish)",
  "iso-8859-1": "ISO 8859-1 (Latin 1)",
  "iso-8859-2": "ISO 8859-2 (Latin 2)",
  "iso-8859-15": "ISO 8859-15 (Latin 9)",
  "koi8-r": "KOI8-R",
  macintosh: "Macintosh",
  shift_jis: "Shift JIS",
  "euc-kr": "EUC-KR",
  big5: "Big5",
  gb18030: "GB 18030",
};
const FIELD_NAMES = { sku: "SKU", name: "Name", description: "Description", active: "Active" };
const COLUMNS_MANY = 6; // More columns may not fit beside each other.
const NO_ROWS = "This file has column names, but no rows. Nothing would be imported.";
const NOT_UTF8 =
  "This file isn't UTF-8, so we're reading it as Windows-1252. " +
  "Check that the text below looks right, or choose another encoding.";

/**
 * `read` previews the head in an encoding, `start` uploads the file, `reset` returns to choosing a file.
 *
 * @param {{
 *   file: File,
 *   head: Head,
 *   read: (encoding: string | null) => Preview,
 *   start: (file: File, encoding: string | null) => Promise<unknown>,
 *   reset: () => void,
 * }} options
 */
export function filePreview({ file, head, read, start, reset }) {
  const content = h("div");
  const problem = problemMessage();
  /** @type {string | null} The user's choice. */
  let encoding = null;
  let found = read(null);
  const begin = async () => {
    if (await hasChanged(file, head)) showChanged();
    else await start(file, encoding ?? (found.isGuess ? found.encoding : null));
  };
  const send = button("Start import", { kind: "primary", click: () => busy(send, problem, begin) });
  const other = button("Choose another file", { click: reset });
  const showChanged = () => {
    const again = button("Choose file again", { kind: "primary", click: reset });
    setChildren(content, message("warn", "warning", changedText(file.name)), h("div", { class: "actions" }, again));
    again.focus();
  };
  const draw = () => {
    found = read(encoding);
    setChildren(
      content,
      found.problem && message("bad", "cross", found.problem),
      found.isGuess && message("warn", "warning", NOT_UTF8),
      !found.problem && head.isWhole && !found.records && message("warn", "warning", NO_ROWS),
      h(
        "div",
        { class: "section-head" },
        found.columns.length > 0 &&
          facts(found, head, (value) => {
            encoding = value;
            draw();
          }),
        h("div", { class: "actions" }, send, other),
      ),
      !found.problem && found.columns.length > COLUMNS_MANY && h("p", { class: "columns-used" }, usedText(found)),
      found.columns.length > 0 && sample(found),
    );
    send.disabled = Boolean(found.problem);
  };
  draw();
  return [
    h(
      "div",
      { class: "section-head" },
      h("h2", { tabindex: "-1" }, file.name),
      h("span", { class: "hint figures" }, sizeOf(file, head, found)),
    ),
    problem,
    content,
  ];
}

/**
 * @param {File} file
 * @param {Head} head
 * @param {Preview} found
 */
function sizeOf(file, head, found) {
  const size = bytes(file.size);
  if (found.problem || !found.records) return size;
  if (head.isWhole) return `${size}, ${counted(found.records, "row")}`;
  if (head.isGzip) return `${size}, compressed`;
  const estimate = Number(((found.records * file.size) / head.bytes.length).toPrecision(2));
  return `${size}, about ${count(estimate)} rows`;
}

/**
 * @param {Preview} found
 * @param {Head} head
 * @param {(encoding: string) => void} choose
 */
function facts(found, head, choose) {
  const id = uniqueId("encoding");
  const select = h(
    "select",
    { id, data: { key: "encoding" } },
    Object.entries(ENCODINGS).map(([value, name]) => h("option", { value, selected: value === found.encoding }, name)),
  );
  select.addEventListener("change", () => choose(select.value));
  /** @type {(title: string, value: string) => HTMLElement} */
  const fact = (title, value) => h("div", {}, h("dt", {}, title), h("dd", {}, value));
  return h(
    "dl",
    { class: "facts" },
    fact("Separator", found.delimiter ? SEPARATORS[found.delimiter] : "None (one column)"),
    fact("Columns", count(found.columns.length)),
    head.isGzip && fact("Compression", "gzip"),
    h("div", {}, h("dt", {}, h("label", { for: id }, "Encoding")), h("dd", {}, select)),
  );
}

/**
 * Names the columns that are used, because they may be out of sight.
 *
 * @param {Preview} found
 */
function usedText({ columns }) {
  const used = columns.flatMap(({ name, field }, index) =>
    field ? [`${FIELD_NAMES[field]} from column ${count(index + 1)}, “${name}”`] : [],
  );
  const ignored = counted(columns.length - used.length, "other column");
  return `Imported: ${used.join("; ")}. Ignored: ${ignored}.`;
}

/** @param {Preview} found */
function sample({ columns, rows }) {
  const heads = columns.map(({ name, field, isRejectionInfo }) =>
    h(
      "th",
      { scope: "col", class: field ? "" : "ignored" },
      name || "(unnamed)",
      h(
        "span",
        { class: "column-role" },
        field ? [icon("check"), FIELD_NAMES[field]] : isRejectionInfo ? "not imported" : "ignored",
      ),
    ),
  );
  const id = uniqueId("sample");
  /** @param {string[]} cells */
  const row = (cells) =>
    h(
      "tr",
      {},
      columns.map(({ field }, index) =>
        h("td", { class: field ? "" : "ignored" }, h("span", { class: "clamped" }, cells[index] ?? "")),
      ),
    );
  return [
    h("p", { id, class: "sample-title" }, sampleTitle(rows.length)),
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-labelledby": id },
      h(
        "table",
        { class: "sample", "aria-labelledby": id },
        h("thead", {}, h("tr", {}, heads)),
        h("tbody", {}, rows.map(row)),
      ),
    ),
  ];
}

/** @param {number} rows */
function sampleTitle(rows) {
  if (!rows) return "Preview: column names";
  return `Preview: first ${rows === 1 ? "row" : `${rows} rows`}`;
}
