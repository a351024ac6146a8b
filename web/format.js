// Numbers, sizes, times: as the reader's own language writes them.

const number = new Intl.NumberFormat();
const tenths = new Intl.NumberFormat(undefined, {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const whole = new Intl.NumberFormat(undefined, { style: "percent" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const UNITS = [
  [1e9, "gigabyte"],
  [1e6, "megabyte"],
  [1e3, "kilobyte"],
  [1, "byte"],
];

export const count = (value) => number.format(value);

/** "1 row", "2 rows": the number by locale, the word by number. */
export const counted = (value, one, many = `${one}s`) => `${number.format(value)} ${value === 1 ? one : many}`;

/** 0 to 100. One decimal while it moves, none at the ends. */
export const percent = (value) => (value % 100 === 0 ? whole : tenths).format(value / 100);

const measure = (value, unit, digits, unitDisplay = "short") =>
  new Intl.NumberFormat(undefined, {
    style: "unit",
    unit,
    unitDisplay,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);

/** Bytes in the largest unit of which there is at least one. */
export function bytes(value, per = "") {
  const [one, unit] = UNITS.find(([size]) => value >= size) ?? UNITS.at(-1);
  return measure(value / one, unit + per, one > 1e3 ? 1 : 0, unit === "byte" && !per ? "long" : "short");
}

export const bytesPerSecond = (value) => bytes(value, "-per-second");

export const milliseconds = (value) => measure(value, "millisecond", 0);

/** A time span in its two largest units: "3 sec", "2 min 5 sec", "1 hr 3 min". */
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

export const when = (iso) => moment.format(new Date(iso));
export const whenExactly = (iso) => exact.format(new Date(iso));
