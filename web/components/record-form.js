// The form for one record of the API, new or known, in a dialog; and what happens when somebody else was faster.

import { create, get, patch } from "../api.js";
import { h, refill } from "../dom.js";
import { busy, openDialog } from "./dialog.js";
import { showErrors } from "./fields.js";
import { versions } from "./versions.js";

/**
 * Opens the form. Resolves with the saved record, or undefined. What is edited is read anew, so that nobody works on what a
 * list showed an hour ago.
 *
 * - `what` it is, the `path` of all of them, and its `id`, or null for a new one, which is made of `blank`
 * - `fields()` makes its fields by name, in their order; `labels` name them in few words
 * - `flat(record)` is what can be compared of one: texts, and yes or no
 * - `blamed` says which field an error is about that points at none, by the error's code
 */
export async function editRecord({ what, path, id, blank, fields, labels, flat = (record) => record, blamed = {} }) {
  const isNew = id === null;
  const [read, made] = await Promise.all([isNew ? { data: blank, etag: null } : get(`${path}/${id}`), fields()]);
  return openDialog({
    title: `${isNew ? "New" : "Edit"} ${what}`,
    fill: (close) => form({ what, path, id, read, fields: made, labels, flat, blamed, close }),
  });
}

function form({ what, path, id, read, fields, labels, flat, blamed, close }) {
  let { data: original, etag } = read;
  const conflict = h("div");
  const problem = h("p", { class: "message bad", role: "alert", hidden: true });
  const button = h("button", { class: "button primary" }, id === null ? "Create" : "Save");

  const written = () => Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, each.value()]));
  const fillIn = (record) => Object.entries(fields).forEach(([name, each]) => each.fill(record[name]));
  const changes = () => {
    const all = written();
    const [mine, stored] = [flat(all), flat(original)];
    return Object.fromEntries(Object.entries(all).filter(([name]) => mine[name] !== stored[name]));
  };
  const save = async () => {
    if (id === null) return close((await create(path, written())).data);
    if (!Object.keys(changes()).length) return close();
    try {
      close((await patch(`${path}/${id}`, changes(), { headers: { "If-Match": etag } })).data);
    } catch (error) {
      if (error.status !== 412) throw error;
      await explainConflict();
    }
  };
  const explainConflict = async () => {
    ({ data: original, etag } = await get(`${path}/${id}`));
    const takeStored = () => {
      fillIn(original);
      refill(conflict);
      Object.values(fields)[0].control.focus();
    };
    const keepMine = () => {
      refill(conflict);
      button.click();
    };
    refill(conflict, versions({ what, labels, mine: flat(written()), stored: flat(original), takeStored, keepMine }));
    conflict.querySelector("h3").focus();
  };
  const submit = async (event) => {
    event.preventDefault();
    refill(conflict);
    for (const each of Object.values(fields)) each.setError?.("");
    const error = await busy(button, problem, save);
    if (!error) return;
    const errors =
      error.code in blamed ? [{ pointer: `/${blamed[error.code]}`, message: error.message }] : (error.errors ?? []);
    problem.hidden = errors.length > 0 && !showErrors(fields, errors).length;
  };
  fillIn(original);
  return h(
    "form",
    { novalidate: true, on: { submit } },
    conflict,
    Object.values(fields).map((each) => each.element),
    problem,
    h(
      "footer",
      { class: "actions end" },
      h("button", { type: "button", class: "button", on: { click: () => close() } }, "Cancel"),
      button,
    ),
  );
}
