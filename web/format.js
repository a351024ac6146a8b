// Formats numbers, sizes and times in the reader's locale.

const number = new Intl.NumberFormat();
const tenths = new Intl.NumberFormat(undefined, {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const whole = new Intl.NumberFormat(undefined, { style: "percent" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
/** @type {[number, string][]} */
const UNITS = [
  [1e9, "gigabyte"],
  [1e6, "megabyte"],
  [1e3, "kilobyte"],
  [1, "byte"],
];

/** @param {number} value */
export const count = (value) => number.format(value);

/**
 * A number with its noun: "1 row", "2 rows".
 *
 * @param {number} value
 * @param {string} one
 * @param {string} many
 */
export const counted = (value, one, many = `${one}s`) => `${number.format(value)} ${value === 1 ? one : many}`;

/**
 * A percentage with one decimal, except for 0 % and 100 %.
 *
 * @param {number} value From 0 to 100.
 */
export const percent = (value) => (value % 100 === 0 ? whole : tenths).format(value / 100);

/**
 * @param {number} value
 * @param {string} unit
 * @param {number} digits
 * @param {"short" | "long"} unitDisplay
 */
const measure = (value, unit, digits, unitDisplay = "short") =>
  new Intl.NumberFormat(undefined, {
    style: "unit",
    unit,
    unitDisplay,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);

/**
 * A size in the largest unit of which there is at least one.
 *
 * @param {number} value
 */
export const bytes = (value) => size(value, "");

/** @param {number} value */
export const bytesPerSecond = (value) => size(value, "-per-second");

/**
 * @param {number} value
 * @param {string} per
 */
function size(value, per) {
  const [one, unit] = UNITS.find(([each]) => value >= each) ?? [1, "byte"];
  return measure(value / one, unit + per, one > 1e3 ? 1 : 0, unit === "byte" && !per ? "long" : "short");
}

/** @param {number} value */
export const milliseconds = (value) => measure(value, "millisecond", 0);

/**
 * A time span in its two largest units: "3 sec", "2 min 5 sec", "1 hr 3 min".
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  const rounded = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(rounded / 3600), Math.floor((rounded % 3600) / 60)];
  if (hours) return `${measure(hours, "hour", 0)} ${measure(minutes, "minute", 0)}`;
  if (minutes) return `${measure(minutes, "minute", 0)} ${measure(rounded % 60, "second", 0)}`;
  return measure(
    seconds < 10 && seconds > 0 && seconds % 1 ? seconds : rounded,
    "second",
    seconds < 10 && seconds % 1 ? 1 : 0,
  );
}

/** @param {string} iso */
export const when = (iso) => moment.format(new Date(iso));

/** @param {string} iso */
export const whenExactly = (iso) => exact.format(new Date(iso));
