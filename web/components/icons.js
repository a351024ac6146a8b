// Icons of 16 × 16. They accompany a text or a label, so screen readers skip them.

import { s } from "../dom.js";

const PATHS = {
  check: "M3 8.5l3.2 3.2L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  close: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  clock: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8M8 4.6V8l2.3 1.6",
  running: "M13.6 6.2A6 6 0 003 4.8M3 1.8v3h3M2.4 9.8A6 6 0 0013 11.2M13 14.2v-3h-3",
  stop: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8M4.9 8h6.2",
  warning: "M8 2L14.5 13.5h-13zM8 6.5v3.2M8 11.6v.2",
  upload: "M8 10.5V2.5M4.8 5.5L8 2.3l3.2 3.2M2.5 10v3.2h11V10",
  download: "M8 2.3v8M4.8 7.3L8 10.5l3.2-3.2M2.5 10.8v2.7h11v-2.7",
  plus: "M8 3v10M3 8h10",
  pencil: "M10.8 2.8l2.4 2.4L5.5 12.9l-3 .6.6-3z",
  bin: "M2.8 4.3h10.4M6.3 4V2.5h3.4V4M4.2 4.5l.6 9h6.4l.6-9M6.7 7v4M9.3 7v4",
  link: "M6.6 9.4l2.8-2.8M7 4.6l1.4-1.4a3 3 0 014.3 4.3L11.3 9M9 11.4l-1.4 1.4a3 3 0 01-4.3-4.3L4.7 7",
  retry: "M13.6 6.2A6 6 0 003 4.8M3 1.8v3h3M2.4 9.8A6 6 0 0013 11.2M13 14.2v-3h-3",
  send: "M2 8l12-5-4 11-2.5-4.5z",
  key: "M9.6 6.4a3.2 3.2 0 10-3.1 4 3.2 3.2 0 003.1-4zM9.2 8.2h5v2.4M12 8.2v1.8",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export function icon(name) {
  return s(
    "svg",
    { viewBox: "0 0 16 16", class: `icon icon-${name}`, "aria-hidden": "true", focusable: "false" },
    s("path", { d: PATHS[name] }),
  );
}
