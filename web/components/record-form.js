// The form for one record of the API, new or existing, in a dialog. It also resolves conflicts with other users.

import { lacking, needs } from "../access.js";
import { ApiError, create, get, patch } from "../api.js";
import { h, setChildren } from "../dom.js";
import { button } from "./button.js";
import { conflictMessage } from "./conflict.js";
import { busy, hideProblem, openDialog, problemMessage, showProblem } from "./dialog.js";
import { showErrors } from "./fields.js";

/** @import { Version } from "./conflict.js" */

/**
 * - `what`: the kind of record, as in "product"
 * - `path`: the path of all records; `id`: the record's id, or null for a new one, which starts as `blank`
 * - `makeFields`: creates the fields in their order; `labels`: their short names
 * - `comparable`: the parts of a record that two versions are compared by
 * - `scope`: the scope that a token needs to save it
 * - `explain`: the field to blame for an error that points at none, and what to show there
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
 *   scope: Api.Scope,
 *   explain?: (error: ApiError) => { name: keyof Values, text: Ui.Child } | null,
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
    fill: (close, protect) => form(options, current, fields, { close, protect }),
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
 * @param {{ close: (saved?: Saved) => void, protect: (hasChanges: () => boolean) => void }} dialog
 */
function form(
  { what, path, id, labels, comparable, scope, explain = () => null },
  current,
  fields,
  { close, protect },
) {
  let { data: original, etag } = current;
  const names = /** @type {(keyof Values)[]} */ (Object.keys(fields));
  const conflict = h("div");
  const problem = problemMessage();
  const submitButton = needs(scope, h("button", { class: "button primary" }, id === null ? "Create" : "Save"));

  const entered = () => /** @type {Values} */ (Object.fromEntries(names.map((name) => [name, fields[name].value()])));
  /** @param {Values} record */
  const fillIn = (record) => names.forEach((name) => fields[name].fill(record[name]));
  const changes = () => {
    const [mine, stored] = [comparable(entered()), comparable(original)];
    return Object.fromEntries(Object.entries(entered()).filter(([name]) => mine[name] !== stored[name]));
  };
  const hasChanges = () => Object.keys(changes()).length > 0;
  const save = async () => {
    if (id !== null && !hasChanges()) return close();
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
    for (const name of names) fields[name].setError?.(null);
    const error = await busy(submitButton, problem, save);
    if (error instanceof ApiError) showError(error);
  };
  /** @param {ApiError} error */
  const showError = (error) => {
    const explained = explain(error);
    if (explained) {
      fields[explained.name].setError?.(explained.text);
      fields[explained.name].control.focus();
    }
    const rest = explained ? [] : showErrors(fields, error.errors);
    if (rest.length) showProblem(problem, rest.join(" "));
    else if (explained || error.errors.length) hideProblem(problem);
  };
  fillIn(original);
  protect(hasChanges);
  return h(
    "form",
    { novalidate: true, on: { submit } },
    problem,
    conflict,
    names.map((name) => fields[name].element),
    lacking(scope, `Your token can't save changes: that needs the ${scope} scope.`),
    h("footer", { class: "actions end" }, button("Cancel", { click: () => close() }), submitButton),
  );
}
