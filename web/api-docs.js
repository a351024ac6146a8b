// The API reference, generated from the OpenAPI document. Everything in the document is shown as text.

import { table } from "./components/table.js";
import { byId, h } from "./dom.js";
import { limits, reference, schemaRows, typeOf } from "./schemas.js";

/** @import { Schema } from "./schemas.js" */

/**
 * @typedef {{ schema: Schema }} Media
 * @typedef {{ name: string, in: string, schema: Schema, required?: boolean, description?: string }} Parameter
 * @typedef {{ content: Record<string, Media> }} Body
 * @typedef {{ description: string, content?: Record<string, Media>, headers?: object }} DocumentedResponse
 * @typedef {{
 *   operationId: string,
 *   summary: string,
 *   description?: string,
 *   "x-scope"?: string,
 *   parameters: Parameter[],
 *   requestBody?: Body,
 *   responses: Record<string, DocumentedResponse>,
 * }} Operation
 * @typedef {{
 *   info: { version: string, description: string },
 *   servers: { url: string }[],
 *   paths: Record<string, Record<string, Operation>>,
 *   components: { schemas: Record<string, Schema> },
 * }} OpenApi
 */

const PARAMETER_TITLES = ["Name", "In", "Type", "Limits", "Description"];
const RESPONSE_TITLES = ["Status", "Description", "Body", "Headers"];
const FIELD_TITLES = ["Name", "Type", "Limits", "Description"];
/** @type {Record<string, string>} How the text of a column may break. */
const BREAKS = { Name: "nowrap", Limits: "breakable", Description: "breakable", Headers: "breakable" };
const METHODS = ["get", "post", "put", "patch", "delete"];

show().catch((error) => {
  byId("notice").textContent = `The API reference could not be loaded: ${error.message}`;
  byId("notice").hidden = false;
});

async function show() {
  const response = await fetch("api/openapi.json");
  if (!response.ok) throw new Error(`the server returned ${response.status}`);
  const api = /** @type {OpenApi} */ (await response.json());
  const base = api.servers[0].url;
  const about = `Version ${api.info.version}. ${api.info.description}`;
  byId("about").append(...about.split("\n\n").map((each) => h("p", {}, rich(each))));
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => operations[each])) {
      const { operationId, summary } = operations[method];
      byId("contents").append(h("li", {}, link(operationId, route(method, base + path)), " – ", rich(summary)));
      byId("operations").append(operationSection(api, method, base + path, operations[method]));
    }
  }
  for (const [name, schema] of Object.entries(api.components.schemas))
    byId("schemas").append(schemaSection(name, schema));
  // The browser looked for the target of the URL's fragment before the sections existed.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

/**
 * @param {OpenApi} api
 * @param {string} method
 * @param {string} path
 * @param {Operation} operation
 */
function operationSection(api, method, path, operation) {
  const { operationId: id, summary, description, requestBody, parameters, "x-scope": scope } = operation;
  return h(
    "section",
    { id },
    h("h2", {}, route(method, path)),
    h("p", {}, rich(summary)),
    description && h("p", {}, rich(description)),
    h("p", { class: "hint" }, scope ? `Requires a token with the ${scope} scope.` : "No token required."),
    parameters.length > 0 && titled("Parameters", id, PARAMETER_TITLES, parameters.map(parameterRow)),
    requestBody && [h("h3", {}, "Request body"), bodyParts(api, requestBody)],
    titled("Responses", id, RESPONSE_TITLES, Object.entries(operation.responses).map(responseRow)),
  );
}

/** @param {Parameter} parameter */
function parameterRow({ name, in: place, schema, required = false, description = "" }) {
  return [name, place, typeOf(schema), limits(schema, required), rich(description)];
}

/**
 * @param {OpenApi} api
 * @param {Body} body
 */
function bodyParts(api, body) {
  return Object.entries(body.content).map(([mediaType, { schema }]) => {
    const name = reference(schema);
    return [h("p", {}, `${mediaType}: `, schemaLink(schema)), name && examples(api.components.schemas[name])];
  });
}

/** @param {[string, DocumentedResponse]} response By its status. */
function responseRow([status, { description, content, headers }]) {
  const [body] = Object.values(content ?? {});
  return [status, rich(description), body ? schemaLink(body.schema) : "none", Object.keys(headers ?? {}).join(", ")];
}

/**
 * @param {string} name
 * @param {Schema} schema
 */
function schemaSection(name, schema) {
  const id = `schema-${name}`;
  const rows = schemaRows(schema).map((each) => [
    each.name,
    each.target ? schemaLink(each.target, each.type) : each.type,
    each.limits,
    rich(each.description),
  ]);
  return h(
    "section",
    { id },
    h("h2", {}, name),
    schema.description && h("p", {}, rich(schema.description)),
    rows.length > 0 && titled("Fields", id, FIELD_TITLES, rows),
    examples(schema),
  );
}

/** @param {Schema} schema */
const examples = (schema) =>
  (schema.examples ?? []).map((each) => [
    h("h3", {}, "Example"),
    h("pre", { tabindex: "0" }, JSON.stringify(each, null, 2)),
  ]);

/** @param {Schema} schema */
function schemaLink(schema, text = typeOf(schema)) {
  const name = reference(schema);
  return name ? link(`schema-${name}`, text) : text;
}

/**
 * @param {string} method
 * @param {string} path
 */
function route(method, path) {
  return h("span", { class: "route" }, h("span", { class: "method" }, method.toUpperCase()), path);
}

/**
 * @param {string} id
 * @param {Ui.Child} content
 */
const link = (id, content) => h("a", { href: `#${encodeURIComponent(id)}` }, content);

/**
 * Text in which backticks mark code.
 *
 * @param {string} text
 * @returns {Ui.Child}
 */
const rich = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/**
 * A table with a heading.
 *
 * @param {string} title
 * @param {string} about What the table belongs to.
 * @param {string[]} titles Of the columns.
 * @param {Ui.Child[][]} rows
 */
function titled(title, about, titles, rows) {
  const columns = titles.map((each, index) => ({
    title: each,
    class: BREAKS[each],
    /** @param {Ui.Child[]} row */
    cell: (row) => row[index],
  }));
  const caption = `${title} of ${about}`;
  return [h("h3", {}, title), table({ caption, columns, items: rows, key: (row) => rows.indexOf(row) })];
}
