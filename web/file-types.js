// Recognises files that are not CSV by their first bytes, so that no one uploads a workbook in vain.

const EXCEL = "In Excel, choose File → Save As → CSV UTF-8, then choose that file here.";
const EXPORT = "Export the products as CSV, then choose that file here.";
/* eslint-disable no-control-regex -- these are the first bytes of binary formats */
/** @type {[RegExp, string][]} */
const KINDS = [
  [/^PK\x03\x04/, `an Excel workbook or a ZIP archive, not a CSV file. ${EXCEL}`],
  [/^\xd0\xcf\x11\xe0/, `an old Excel workbook, not a CSV file. ${EXCEL}`],
  [/^%PDF-/, `a PDF document, not a CSV file. ${EXPORT}`],
  [/^(?:\x89PNG|\xff\xd8\xff|GIF8)/, `an image, not a CSV file. ${EXPORT}`],
  [/^(?:\xef\xbb\xbf)?\s*<[?!a-zA-Z]/, `a web page or XML document, not a CSV file. ${EXPORT}`],
  [/^(?:\xef\xbb\xbf)?\s*[[{]\s*["{[\]}]/, `a JSON document, not a CSV file. ${EXPORT}`],
];
/* eslint-enable no-control-regex */
const HEAD_BYTES = 512;
export const HEADER_RULE = "The first row must contain column names, including sku and name.";

/**
 * What the file is and what to do instead, or null if it may be a CSV file.
 *
 * @param {Uint8Array} bytes
 */
export function otherFileType(bytes) {
  if (!bytes.length) return `This file is empty. ${HEADER_RULE}`;
  const head = String.fromCharCode(...bytes.subarray(0, HEAD_BYTES));
  const found = KINDS.find(([pattern]) => pattern.test(head));
  return found ? `This is ${found[1]}` : null;
}
