// What is in a file, as far as the browser can tell, before it is sent.

import { h, refill, uniqueId } from "../dom.js";
import { bytes, count, counted } from "../format.js";
import { busy } from "./dialog.js";
import { icon } from "./icons.js";

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

/** `look(encoding)` reads the head; `start(file, encoding)` sends the file; `forget()` goes back to choosing. */
export function filePreview({ file, head, look, start, forget }) {
  const shown = h("div");
  const problem = h("p", { class: "message bad", role: "alert", hidden: true });
  const send = h("button", { type: "button", class: "button primary" }, "Start import");
  const other = h("button", { type: "button", class: "button", on: { click: forget } }, "Choose another file");
  let encoding = null; // what the user chose
  let found = look(null);
  const draw = () => {
    found = look(encoding);
    refill(
      shown,
      found.problem && message("bad", found.problem),
      found.isGuess &&
        message(
          "warn",
          "This file isn't UTF-8, so we're reading it as Windows-1252. Check that the text below looks right, or choose another encoding.",
        ),
      h(
        "div",
        { class: "section-head" },
        facts(found, head, (value) => {
          encoding = value;
          draw();
        }),
        h("div", { class: "actions" }, send, other),
      ),
      found.columns.length > 0 && sample(found),
    );
    send.disabled = Boolean(found.problem);
  };
  draw();
  send.addEventListener("click", () =>
    busy(send, problem, () => start(file, encoding ?? (found.isGuess ? found.encoding : null))),
  );
  return [
    h(
      "div",
      { class: "section-head" },
      h("h2", { tabindex: "-1" }, file.name),
      h("span", { class: "hint figures" }, sizeOf(file, head, found)),
    ),
    problem,
    shown,
  ];
}

function sizeOf(file, head, found) {
  const size = bytes(file.size);
  if (found.problem || !found.records) return size;
  if (head.isWhole) return `${size}, ${counted(found.records, "row")}`;
  if (head.isPacked) return `${size}, compressed`;
  const estimate = Number(((found.records * file.size) / head.bytes.length).toPrecision(2));
  return `${size}, about ${count(estimate)} rows`;
}

function facts(found, head, choose) {
  const id = uniqueId("encoding");
  const select = h(
    "select",
    { id, data: { key: "encoding" } },
    Object.entries(ENCODINGS).map(([value, name]) => h("option", { value, selected: value === found.encoding }, name)),
  );
  select.addEventListener("change", () => choose(select.value));
  const fact = (title, value) => h("div", {}, h("dt", {}, title), h("dd", {}, value));
  return h(
    "dl",
    { class: "facts" },
    found.columns.length > 0 && fact("Separator", found.delimiter ? SEPARATORS[found.delimiter] : "None (one column)"),
    found.columns.length > 0 && fact("Columns", count(found.columns.length)),
    head.isPacked && fact("Compression", "gzip"),
    h("div", {}, h("dt", {}, h("label", { for: id }, "Encoding")), h("dd", {}, select)),
  );
}

function sample(found) {
  const shown = found.rows.length;
  const label = shown ? `Preview: first ${shown === 1 ? "row" : `${shown} rows`}` : "Preview: no rows";
  const heads = found.columns.map(({ name, field, ours }) =>
    h(
      "th",
      { scope: "col", class: field ? "" : "ignored" },
      name || "(unnamed)",
      h(
        "span",
        { class: "taken-for" },
        field ? [icon("check"), FIELD_NAMES[field]] : ours ? "not imported" : "ignored",
      ),
    ),
  );
  const id = uniqueId("sample");
  const row = (cells) =>
    h(
      "tr",
      {},
      found.columns.map(({ field }, at) =>
        h("td", { class: field ? "" : "ignored" }, h("span", { class: "clamped" }, cells[at] ?? "")),
      ),
    );
  return [
    h("p", { id, class: "sample-title" }, label),
    h(
      "div",
      { class: "scroll-x", tabindex: "0", role: "region", "aria-labelledby": id },
      h(
        "table",
        { class: "sample", "aria-labelledby": id },
        h("thead", {}, h("tr", {}, heads)),
        h("tbody", {}, found.rows.map(row)),
      ),
    ),
  ];
}

const message = (kind, text) => h("p", { class: `message ${kind}` }, icon(kind === "bad" ? "cross" : "warning"), text);
