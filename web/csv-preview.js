// Reads the head of a file as the importer will: separator, header, first rows, and what is wrong. A pure function of
// bytes; a test compares it with the importer.

import { records } from "./csv-records.js";
import { HEADER_RULE, otherFileType } from "./file-types.js";

/** @typedef {"sku" | "name" | "description" | "active"} Field */

/**
 * - `isGuess`: the encoding is a guess that the user should check
 * - `delimiter`: null if there is only one column
 * - `columns`: `field` is what a column is used for, or null if it is ignored; `isRejectionInfo` marks the columns that
 *   the importer adds to a file of rejected rows
 * - `records`: the number of rows seen
 * - `problem`: why the file cannot be imported, or null
 *
 * @typedef {{
 *   encoding: string | null,
 *   isGuess: boolean,
 *   delimiter: string | null,
 *   columns: { name: string, field: Field | null, isRejectionInfo: boolean }[],
 *   rows: string[][],
 *   records: number,
 *   problem: string | null,
 * }} Preview
 */

const DELIMITERS = [",", ";", "\t", "|"];
const PADDING = /^[ \t\r\n,;|]*$/;
/** @type {Field[]} */
const REQUIRED = ["sku", "name"];
/** @type {Field[]} */
const FIELDS = [...REQUIRED, "description", "active"];
/** @type {Record<Field, string[]>} */
const ALIASES = {
  sku: ["product sku", "item sku", "sku code", "product code", "item code"],
  name: ["product name", "item name", "product title", "title"],
  description: ["product description", "item description", "desc"],
  active: ["enabled", "is active", "is enabled"],
};
const REJECTION_COLUMNS = new Set(["rejected_line", "rejected_because"]);
const ROWS_MAX = 5;

/**
 * @param {Uint8Array} bytes The head of the file, or all of it (`isWhole`).
 * @param {{ isWhole: boolean, encoding?: string | null }} options The encoding is the user's choice, or null.
 * @returns {Preview}
 */
export function preview(bytes, { isWhole, encoding = null }) {
  const empty = { encoding, isGuess: false, delimiter: null, columns: [], rows: [], records: 0 };
  const problem = otherFileType(bytes);
  if (problem) return { ...empty, problem };
  const text = decode(bytes, isWhole, encoding);
  const parsed = DELIMITERS.map((delimiter) => parse(text.content, delimiter, isWhole));
  const { delimiter, names, data } = parsed.reduce((best, each) => (isBetter(each, best) ? each : best));
  const byField = columnsByField(names);
  const used = new Map([...byField].map(([field, columns]) => [columns[0], field]));
  return {
    encoding: text.encoding,
    isGuess: text.isGuess,
    delimiter: names.length > 1 ? delimiter : null,
    columns: names.map((name, column) => ({
      name: name.trim(),
      field: used.get(column) ?? null,
      isRejectionInfo: REJECTION_COLUMNS.has(name.trim().toLowerCase()),
    })),
    rows: data.slice(0, ROWS_MAX),
    records: data.length,
    problem: problemOf(names, byField, isWhole),
  };
}

/**
 * @param {Uint8Array} bytes
 * @param {boolean} isWhole
 * @param {string | null} chosen
 */
function decode(bytes, isWhole, chosen) {
  /** @type {(label: string, fatal: boolean) => string} */
  const read = (label, fatal) => new TextDecoder(label, { fatal }).decode(bytes, { stream: !isWhole });
  const utf16 = utf16Of(bytes);
  if (utf16) return { encoding: "utf-16", isGuess: false, content: read(utf16, false) };
  if (chosen)
    return { encoding: chosen, isGuess: false, content: read(chosen === "utf-16" ? "utf-16le" : chosen, false) };
  try {
    return { encoding: "utf-8", isGuess: false, content: read("utf-8", true) };
  } catch {
    // Most files that are not UTF-8 come from Excel on Windows. The user can check the guess in the preview.
    return { encoding: "windows-1252", isGuess: true, content: read("windows-1252", false) };
  }
}

/**
 * The UTF-16 variant that a byte order mark announces.
 *
 * @param {Uint8Array} bytes
 */
function utf16Of([first, second]) {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : null;
}

/** @typedef {{ delimiter: string, names: string[], data: string[][] }} Parsed */

/**
 * @param {string} text
 * @param {string} delimiter
 * @param {boolean} isWhole
 * @returns {Parsed}
 */
function parse(text, delimiter, isWhole) {
  const found = records(text, delimiter, isWhole);
  const first = found.findIndex((cells) => cells.some((cell) => !PADDING.test(cell)));
  const names = first < 0 ? [] : found[first];
  return { delimiter, names, data: found.slice(first + 1).filter((cells) => cells.some((cell) => cell.trim())) };
}

/**
 * A separator is better if it yields more required columns, or the same number of those and more columns in total.
 *
 * @param {Parsed} one
 * @param {Parsed} other
 */
function isBetter(one, other) {
  /** @type {(parsed: Parsed) => number} */
  const known = ({ names }) => REQUIRED.filter((field) => columnsByField(names).has(field)).length;
  return (known(one) - known(other) || one.names.length - other.names.length) > 0;
}

/**
 * The columns that could be each field: those with its exact name or, if there are none, those with an alias.
 *
 * @param {string[]} names
 */
function columnsByField(names) {
  const plain = names.map((name) => name.trim().toLowerCase());
  const words = plain.map((name) => name.replace(/[_-]/g, " ").split(/\s+/).filter(Boolean).join(" "));
  /** @type {Map<Field, number[]>} */
  const byField = new Map();
  for (const field of FIELDS) {
    const exact = indexes(plain, (name) => name === field);
    const columns = exact.length ? exact : indexes(words, (name) => ALIASES[field].includes(name));
    if (columns.length) byField.set(field, columns);
  }
  return byField;
}

/**
 * @param {string[]} names
 * @param {(name: string) => boolean} matches
 */
const indexes = (names, matches) => names.flatMap((name, index) => (matches(name) ? [index] : []));

/**
 * @param {string[]} names
 * @param {Map<Field, number[]>} byField
 * @param {boolean} isWhole
 */
function problemOf(names, byField, isWhole) {
  // Only the importer can judge a header that is longer than the head of the file.
  if (!names.length) return isWhole ? `This file contains only blank lines. ${HEADER_RULE}` : null;
  for (const [field, columns] of byField) {
    if (columns.length < 2) continue;
    const candidates = columns.map((column) => `“${names[column].trim()}”`).join(", ");
    return `Several columns could be the ${field}: ${candidates}. Name one of them ${field} and rename the others.`;
  }
  const missing = REQUIRED.filter((field) => !byField.has(field));
  if (!missing.length) return null;
  const what = missing.length === 1 ? `no ${missing[0]} column` : "neither a sku nor a name column";
  return `This file has ${what}. ${HEADER_RULE} Rename the column in the file, then choose the file again.`;
}
