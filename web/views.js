// What the API says, as the page shows it. Text goes in as text: nothing here makes markup of it.

const STATUS = {
  pending: "Waiting for the file",
  processing: "Importing",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};
const RECEIPT = { total: "Rows", created: "Created", updated: "Updated", unchanged: "Unchanged", superseded: "Superseded", rejected: "Rejected" };

const $ = (id) => document.getElementById(id);
const count = new Intl.NumberFormat();
const time = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const UNITS = [[1e6, "MB"], [1e3, "kB"], [1, "bytes"]];

/** Bytes in the largest unit of which there is at least one. */
function amount(bytes) {
  const [one, unit] = UNITS.find(([one]) => bytes >= one) ?? UNITS.at(-1);
  return `${(bytes / one).toLocaleString(undefined, { maximumFractionDigits: 1 })} ${unit}`;
}

/** The upload in the browser: `sent` of `size` bytes after `seconds`. */
export function showUploading(found, sent, size, seconds) {
  showImport({ ...found, status: "pending" });
  $("status").textContent = "Uploading";
  $("bar").value = size ? (100 * sent) / size : 0;
  const rate = seconds > 0.5 ? ` · ${amount(sent / seconds)}/s` : "";
  $("detail").textContent = `${amount(sent)} of ${amount(size)}${rate}`;
}

/** One import: its progress, or how it ended. */
export function showImport(found) {
  $("current").hidden = false;
  $("current-title").textContent = found.filename;
  $("status").dataset.status = found.status;
  $("status").textContent = STATUS[found.status];
  $("bar").value = found.percent;
  $("detail").textContent = detail(found);
  fill($("receipt"), found.started_at ? Object.entries(RECEIPT).map(([name, label]) => figure(label, found.rows[name])) : []);
  $("reason").hidden = !found.error;
  $("reason").textContent = found.error?.message ?? "";
  fill($("warnings"), found.warnings.map((each) => element("li", each)));
  $("cancel").hidden = found.status !== "pending" && found.status !== "processing";
  $("retry").hidden = !(found.status === "failed" && found.error.retryable);
  $("download").hidden = $("rejected").hidden = true;
}

function detail(found) {
  const parts = [`${found.percent.toLocaleString()} %`, `${amount(found.bytes.done)} of ${amount(found.bytes.total)}`];
  if (found.rows_per_second) parts.push(`${count.format(found.rows_per_second)} rows/s`);
  if (found.eta_seconds !== null) parts.push(`about ${count.format(found.eta_seconds)} s left`);
  return parts.join(" · ");
}

/** A page of rejected rows, and the button to download all that are kept. */
export function showRejected(page) {
  $("download").hidden = page.items.length === 0;
  $("rejected").hidden = page.items.length === 0;
  $("rejected").caption.textContent = page.next
    ? `Rejected rows (the first ${count.format(page.items.length)} of ${count.format(page.total)})`
    : "Rejected rows";
  fill($("rejected").tBodies[0], page.items.map((each) => row(count.format(each.line), each.column ?? "—", each.message)));
}

/** The newest imports. */
export function showHistory(page) {
  $("history").hidden = page.items.length === 0;
  const rows = page.items.map((each) => {
    const made = row("", STATUS[each.status], count.format(each.rows.total), count.format(each.rows.rejected), time.format(new Date(each.created_at)));
    const link = element("a", each.filename);
    link.href = `?import=${encodeURIComponent(each.id)}`;
    made.cells[0].append(link);
    made.cells[2].className = made.cells[3].className = "number";
    return made;
  });
  fill($("history").querySelector("tbody"), rows);
}

function fill(parent, children) {
  parent.replaceChildren(...children);
  if (parent.tagName !== "TBODY") parent.hidden = children.length === 0;
}

function row(...texts) {
  const made = element("tr");
  made.append(...texts.map((text) => element("td", text)));
  return made;
}

function figure(label, value) {
  const made = element("div");
  made.append(element("dt", label), element("dd", count.format(value)));
  return made;
}

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
