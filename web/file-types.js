// Files that are no CSV, told by their first bytes, so that nobody uploads a workbook for nothing.

const EXCEL = "In Excel, choose File → Save As → CSV UTF-8, then choose that file here.";
const EXPORT = "Export the products as CSV, then choose that file here.";
/* eslint-disable no-control-regex -- these are the first bytes of binary formats */
const KINDS = [
  [/^PK\x03\x04/, `an Excel workbook or a ZIP archive, not a CSV file. ${EXCEL}`],
  [/^\xd0\xcf\x11\xe0/, `an old Excel workbook, not a CSV file. ${EXCEL}`],
  [/^%PDF-/, `a PDF document, not a CSV file. ${EXPORT}`],
  [/^(?:\x89PNG|\xff\xd8\xff|GIF8)/, `an image, not a CSV file. ${EXPORT}`],
  [/^(?:\xef\xbb\xbf)?\s*<[?!a-zA-Z]/, `a web page or XML document, not a CSV file. ${EXPORT}`],
  [/^(?:\xef\xbb\xbf)?\s*[[{]\s*["{[\]}]/, `a JSON document, not a CSV file. ${EXPORT}`],
];
/* eslint-enable no-control-regex */
const LOOKED_AT_BYTES = 512;

/** What the file is instead and what to do, or null when it may be a CSV. */
export function otherFileType(bytes) {
  if (!bytes.length) return "This file is empty. The first row must contain column names, including sku and name.";
  const head = String.fromCharCode(...bytes.subarray(0, LOOKED_AT_BYTES));
  const found = KINDS.find(([pattern]) => pattern.test(head));
  return found ? `This is ${found[1]}` : null;
}
