// Splits CSV text into records as Python's csv module does: a quote has a meaning only at the start of a field.

const START = 0; // At the start of a field.
const PLAIN = 1; // In an unquoted field.
const QUOTED = 2; // Between quotes.
const CLOSED = 3; // After a quote in a quoted field: its end, or half of a doubled quote.

/**
 * Every record as a list of cells; a blank line is a record without cells. The last record is left out if it may be
 * incomplete.
 *
 * @param {string} text
 * @param {string} delimiter
 * @param {boolean} isWhole
 */
export function records(text, delimiter, isWhole) {
  /** @type {string[][]} */
  const found = [];
  /** @type {string[]} */
  let cells = [];
  let cell = "";
  let state = START;
  const endCell = () => {
    cells.push(cell);
    cell = "";
    state = START;
  };
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (state === QUOTED) {
      if (character === '"') state = CLOSED;
      else cell += character;
    } else if (character === '"' && state === CLOSED) {
      cell += '"';
      state = QUOTED;
    } else if (character === '"' && state === START) {
      state = QUOTED;
    } else if (character === delimiter) {
      endCell();
    } else if (character === "\n" || character === "\r") {
      if (character === "\r" && text[at + 1] === "\n") at++;
      if (cells.length || state !== START) endCell();
      found.push(cells);
      cells = [];
    } else {
      cell += character;
      state = PLAIN;
    }
  }
  if (isWhole && state !== QUOTED && (cells.length || state !== START)) {
    endCell();
    found.push(cells);
  }
  return found;
}
