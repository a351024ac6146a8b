// The API reference, generated from the OpenAPI document. Everything in the document is shown as text.

import { byId } from "./dom.js";
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
  byId("about").textContent = `Version ${api.info.version}. ${api.info.description}`;
  for (const [path, operations] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => operations[each])) {
      const { operationId, summary } = operations[method];
      byId("contents").append(element("li", {}, link(operationId, route(method, base + path)), ` – ${summary}`));
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
  const title = element("h2", {}, route(method, path));
  const section = element("section", { id: operation.operationId }, title, element("p", {}, operation.summary));
  if (operation.description) section.append(element("p", {}, operation.description));
  const scope = operation["x-scope"];
  section.append(
    element("p", { className: "hint" }, scope ? `Requires a token with the ${scope} scope.` : "No token required."),
  );
  if (operation.parameters.length) {
    const rows = operation.parameters.map((each) => [
      each.name,
      each.in,
      typeOf(each.schema),
      limits(each.schema, each.required ?? false),
      each.description ?? "",
    ]);
    section.append(table("Parameters", ["Name", "In", "Type", "Limits", "Description"], rows));
  }
  if (operation.requestBody)
    section.append(element("h3", {}, "Request body"), ...bodyParts(api, operation.requestBody));
  const responses = Object.entries(operation.responses).map(([status, each]) => responseRow(status, each));
  section.append(table("Responses", ["Status", "Description", "Body", "Headers"], responses));
  return section;
}

/**
 * @param {OpenApi} api
 * @param {Body} body
 */
function bodyParts(api, body) {
  return Object.entries(body.content).flatMap(([mediaType, { schema }]) => {
    const type = element("p", {}, `${mediaType}: `, schemaLink(schema));
    const name = reference(schema);
    return name ? [type, ...examples(api.components.schemas[name])] : [type];
  });
}

/**
 * @param {string} status
 * @param {DocumentedResponse} response
 */
function responseRow(status, response) {
  const [body] = Object.values(response.content ?? {});
  return [
    status,
    response.description,
    body ? schemaLink(body.schema) : "none",
    Object.keys(response.headers ?? {}).join(", "),
  ];
}

/**
 * @param {string} name
 * @param {Schema} schema
 */
function schemaSection(name, schema) {
  const section = element("section", { id: `schema-${name}` }, element("h2", {}, name));
  if (schema.description) section.append(element("p", {}, schema.description));
  const rows = schemaRows(schema).map((each) => [
    each.name,
    each.target ? schemaLink(each.target, each.type) : each.type,
    each.limits,
    each.description,
  ]);
  if (rows.length) section.append(table("Fields", ["Name", "Type", "Limits", "Description"], rows));
  section.append(...examples(schema));
  return section;
}

/** @param {Schema} schema */
function examples(schema) {
  return (schema.examples ?? []).flatMap((each) => [
    element("h3", {}, "Example"),
    element("pre", { tabIndex: 0 }, JSON.stringify(each, null, 2)),
  ]);
}

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
  return element("span", { className: "route" }, element("span", { className: "method" }, method.toUpperCase()), path);
}

/**
 * @param {string} id
 * @param {Node | string} content
 */
function link(id, content) {
  return element("a", { href: `#${encodeURIComponent(id)}` }, content);
}

/**
 * @param {string} caption
 * @param {string[]} titles
 * @param {(Node | string)[][]} rows
 */
function table(caption, titles, rows) {
  const head = element("tr", {}, ...titles.map((each) => element("th", { scope: "col" }, each)));
  const body = rows.map((row) => element("tr", {}, ...row.map((each) => element("td", {}, each))));
  return element(
    "table",
    {},
    element("caption", {}, caption),
    element("thead", {}, head),
    element("tbody", {}, ...body),
  );
}

/**
 * Creates an element with properties and children. Strings become text, never markup.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Partial<HTMLElementTagNameMap[Name]>} properties
 * @param {...(Node | string)} children
 */
function element(name, properties, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}
