// Reads the beginning of a file as the importer will: the separator, the header, the first rows, and what is wrong. A pure
// function of bytes: a test holds it to what the importer itself makes of the same bytes.

import { records } from "./csv-records.js";
import { otherFileType } from "./file-types.js";

const DELIMITERS = [",", ";", "\t", "|"];
const PADDING = /^[ \t\r\n,;|]*$/;
const REQUIRED = ["sku", "name"];
const FIELDS = [...REQUIRED, "description", "active"];
const ALIASES = new Map(
  Object.entries({
    sku: ["product sku", "item sku", "sku code", "product code", "item code"],
    name: ["product name", "item name", "product title", "title"],
    description: ["product description", "item description", "desc"],
    active: ["enabled", "is active", "is enabled"],
  }).flatMap(([field, aliases]) => aliases.map((alias) => [alias, field])),
);
const OURS = new Set(["rejected_line", "rejected_because"]);
const ROWS_MAX = 5;

/**
 * `bytes` are the first of the file, or all of it (`isWhole`). `encoding` is what the user chose, null for automatic.
 *
 * Returns `{encoding, isGuess, delimiter, columns: [{name, field}], rows, records, problem}`: `field` says what a column is
 * taken for, null for one that is ignored; `records` is the number of rows seen; `problem` says why the file cannot be
 * imported, or is null.
 */
export function preview(bytes, { isWhole, encoding = null }) {
  const nothing = { encoding, isGuess: false, delimiter: null, columns: [], rows: [], records: 0 };
  const problem = otherFileType(bytes);
  if (problem) return { ...nothing, problem };
  const text = decode(bytes, isWhole, encoding);
  const readings = DELIMITERS.map((delimiter) => reading(text.content, delimiter, isWhole));
  const best = readings.reduce((a, b) => (better(b, a) ? b : a));
  const { delimiter, names, data } = best;
  const byField = columnsByField(names);
  const used = new Map(FIELDS.filter((field) => byField.has(field)).map((field) => [byField.get(field)[0], field]));
  return {
    encoding: text.encoding,
    isGuess: text.isGuess,
    delimiter: names.length > 1 ? delimiter : null,
    columns: names.map((name, column) => ({
      name: name.trim(),
      field: used.get(column) ?? null,
      ours: OURS.has(name.trim().toLowerCase()),
    })),
    rows: data.slice(0, ROWS_MAX),
    records: data.length,
    problem: problemOf(names, byField, isWhole),
  };
}

function decode(bytes, isWhole, chosen) {
  const mark =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : null;
  const read = (label, fatal) => new TextDecoder(label, { fatal }).decode(bytes, { stream: !isWhole });
  if (mark) return { encoding: "utf-16", isGuess: false, content: read(mark, false) };
  if (chosen)
    return { encoding: chosen, isGuess: false, content: read(chosen === "utf-16" ? "utf-16le" : chosen, false) };
  try {
    return { encoding: "utf-8", isGuess: false, content: read("utf-8", true) };
  } catch {
    // Most files that are not UTF-8 come from Excel on Windows. The rows on the screen show whether that is right.
    return { encoding: "windows-1252", isGuess: true, content: read("windows-1252", false) };
  }
}

function reading(text, delimiter, isWhole) {
  const found = records(text, delimiter, isWhole);
  const first = found.findIndex((cells) => cells.some((cell) => !PADDING.test(cell)));
  const names = first < 0 ? [] : found[first];
  return { delimiter, names, data: found.slice(first + 1).filter((cells) => cells.some((cell) => cell.trim())) };
}

/** The separator with which more of the needed columns are found, then the one that makes more columns; the first of equals. */
function better(one, other) {
  const known = ({ names }) => REQUIRED.filter((field) => columnsByField(names).has(field)).length;
  return (known(one) - known(other) || one.names.length - other.names.length) > 0;
}

/** The columns that could be each field: those with its exact name or, where there are none, with an alias. */
function columnsByField(names) {
  const exact = new Map();
  const aliased = new Map();
  const add = (map, field, column) => map.set(field, [...(map.get(field) ?? []), column]);
  names.forEach((name, column) => {
    const plain = name.trim().toLowerCase();
    const alias = ALIASES.get(plain.replace(/[_-]/g, " ").split(/\s+/).filter(Boolean).join(" "));
    if (FIELDS.includes(plain)) add(exact, plain, column);
    else if (alias) add(aliased, alias, column);
  });
  return new Map([...aliased, ...exact]);
}

function problemOf(names, byField, isWhole) {
  // A header longer than what was looked at is for the importer to judge.
  if (!names.length)
    return isWhole
      ? "This file contains only blank lines. The first row must contain column names, including sku and name."
      : null;
  for (const [field, columns] of byField) {
    if (columns.length > 1)
      return `Several columns could be the ${field}: ${columns.map((column) => `“${names[column].trim()}”`).join(", ")}. Name one of them ${field} and rename the others.`;
  }
  const missing = REQUIRED.filter((field) => !byField.has(field));
  if (!missing.length) return null;
  const what = missing.length === 1 ? `no ${missing[0]} column` : "neither a sku nor a name column";
  return `This file has ${what}. The first row must contain column names, including sku and name. Rename the column in the file, then choose the file again.`;
}
