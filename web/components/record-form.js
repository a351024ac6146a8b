// The form for one record of the API, new or existing, in a dialog. It also resolves conflicts with other users.

import { ApiError, create, get, patch } from "../api.js";
import { h, setChildren } from "../dom.js";
import { button } from "./button.js";
import { conflictMessage } from "./conflict.js";
import { busy, openDialog, problemMessage } from "./dialog.js";
import { showErrors } from "./fields.js";

/** @import { Version } from "./conflict.js" */

/**
 * - `what`: the kind of record, as in "product"
 * - `path`: the path of all records; `id`: the record's id, or null for a new one, which starts as `blank`
 * - `makeFields`: creates the fields in their order; `labels`: their short names
 * - `comparable`: the parts of a record that two versions are compared by
 * - `errorFields`: the field to blame for an error that points at none, by the error's code
 *
 * @template {object} Values
 * @typedef {{
 *   what: string,
 *   path: string,
 *   id: string | null,
 *   blank: Values,
 *   makeFields: () => Ui.Fields<Values> | Promise<Ui.Fields<Values>>,
 *   labels: Record<string, string>,
 *   comparable: (record: Values) => Version,
 *   errorFields?: Record<string, string>,
 * }} Options
 */

/**
 * Opens the form. Resolves with the saved record, or undefined. An existing record is read again first, because the
 * list may be out of date.
 *
 * @template {object} Values
 * @template {Values} Saved
 * @param {Options<Values>} options
 * @returns {Promise<Saved | undefined>}
 */
export async function editRecord(options) {
  const { what, path, id, blank, makeFields } = options;
  const [current, fields] = await Promise.all([
    id === null ? { data: blank, etag: null } : /** @type {Promise<Current<Values>>} */ (get(`${path}/${id}`)),
    makeFields(),
  ]);
  return openDialog({
    title: `${id === null ? "New" : "Edit"} ${what}`,
    fill: (close) => form(options, current, fields, close),
  });
}

/**
 * @template Values
 * @typedef {{ data: Values, etag: string | null }} Current
 */

/**
 * @template {object} Values
 * @template {Values} Saved
 * @param {Options<Values>} options
 * @param {Current<Values>} current
 * @param {Ui.Fields<Values>} fields
 * @param {(saved?: Saved) => void} close
 */
function form({ what, path, id, labels, comparable, errorFields = {} }, current, fields, close) {
  let { data: original, etag } = current;
  const names = /** @type {(keyof Values)[]} */ (Object.keys(fields));
  const conflict = h("div");
  const problem = problemMessage();
  const submitButton = h("button", { class: "button primary" }, id === null ? "Create" : "Save");

  const entered = () => /** @type {Values} */ (Object.fromEntries(names.map((name) => [name, fields[name].value()])));
  /** @param {Values} record */
  const fillIn = (record) => names.forEach((name) => fields[name].fill(record[name]));
  const changes = () => {
    const [mine, stored] = [comparable(entered()), comparable(original)];
    return Object.fromEntries(Object.entries(entered()).filter(([name]) => mine[name] !== stored[name]));
  };
  const save = async () => {
    if (id !== null && !Object.keys(changes()).length) return close();
    try {
      /** @type {{ data: Saved }} */
      const { data } =
        id === null
          ? await create(path, entered())
          : await patch(`${path}/${id}`, changes(), { headers: { "If-Match": etag ?? "" } });
      close(data);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 412) throw error;
      await showConflict();
    }
  };
  const showConflict = async () => {
    ({ data: original, etag } = await /** @type {Promise<Current<Values>>} */ (get(`${path}/${id}`)));
    const useTheirs = () => {
      fillIn(original);
      setChildren(conflict);
      fields[names[0]].control.focus();
    };
    const overwrite = () => {
      setChildren(conflict);
      submitButton.click();
    };
    const [mine, stored] = [comparable(entered()), comparable(original)];
    setChildren(conflict, conflictMessage({ what, labels, mine, stored, useTheirs, overwrite }));
    conflict.querySelector("h3")?.focus();
  };
  /** @param {Event} event */
  const submit = async (event) => {
    event.preventDefault();
    setChildren(conflict);
    for (const name of names) fields[name].setError?.("");
    const error = await busy(submitButton, problem, save);
    if (!(error instanceof ApiError)) return;
    const field = errorFields[error.code];
    const errors = field ? [{ pointer: `/${field}`, message: error.message }] : error.errors;
    problem.hidden = errors.length > 0 && !showErrors(fields, errors).length;
  };
  fillIn(original);
  return h(
    "form",
    { novalidate: true, on: { submit } },
    conflict,
    names.map((name) => fields[name].element),
    problem,
    h("footer", { class: "actions end" }, button("Cancel", { click: () => close() }), submitButton),
  );
}
