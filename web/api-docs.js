// The documentation of the API, made from its OpenAPI document. Whatever the document says is shown as text.

import { reference, schemaRows, typeOf } from "./schemas.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const $ = (id) => document.getElementById(id);

show().catch((error) => {
  $("notice").textContent = `The API reference could not be loaded: ${error.message}`;
  $("notice").hidden = false;
});

async function show() {
  const answer = await fetch("api/openapi.json");
  if (!answer.ok) throw new Error(`the server returned ${answer.status}`);
  const api = await answer.json();
  const base = api.servers[0].url;
  $("about").textContent = `Version ${api.info.version}. ${api.info.description}`;
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((each) => item[each])) {
      $("contents").append(
        element("li", {}, link(item[method].operationId, route(method, base + path)), ` – ${item[method].summary}`),
      );
      $("operations").append(operation(api, method, base + path, item[method]));
    }
  }
  for (const [name, schema] of Object.entries(api.components.schemas)) $("schemas").append(schemaSection(name, schema));
  // The browser looked for the address's fragment before there was anything to find.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

function operation(api, method, path, described) {
  const title = element("h2", {}, route(method, path));
  const section = element("section", { id: described.operationId }, title, element("p", {}, described.summary));
  if (described.description) section.append(element("p", {}, described.description));
  const scope = described["x-scope"];
  section.append(
    element("p", { className: "hint" }, scope ? `Requires a token with the ${scope} scope.` : "No token required."),
  );
  if (described.parameters.length) {
    const rows = described.parameters.map((each) => [
      each.name,
      each.in,
      typeOf(each.schema),
      limits(each),
      each.description ?? "",
    ]);
    section.append(table("Parameters", ["Name", "In", "Type", "Limits", "Description"], rows));
  }
  if (described.requestBody)
    section.append(element("h3", {}, "Request body"), ...bodyParts(api, described.requestBody));
  section.append(
    table(
      "Responses",
      ["Status", "Description", "Body", "Headers"],
      Object.entries(described.responses).map(responseRow),
    ),
  );
  return section;
}

function bodyParts(api, body) {
  return Object.entries(body.content).flatMap(([mediaType, { schema }]) => {
    const parts = [element("p", {}, `${mediaType}: `, schemaLink(schema))];
    const name = reference(schema);
    return name ? parts.concat(examples(api.components.schemas[name])) : parts;
  });
}

function responseRow([status, response]) {
  const bodies = Object.values(response.content ?? {}).map(({ schema }) => schemaLink(schema));
  return [
    status,
    response.description,
    bodies.length ? bodies[0] : "none",
    Object.keys(response.headers ?? {}).join(", "),
  ];
}

function schemaSection(name, schema) {
  const section = element("section", { id: `schema-${name}` }, element("h2", {}, name));
  if (schema.description) section.append(element("p", {}, schema.description));
  const rows = schemaRows(schema).map((each) => [
    each.name,
    each.refers ? schemaLink(each.refers, each.type) : each.type,
    each.limits,
    each.description,
  ]);
  if (rows.length) section.append(table("Fields", ["Name", "Type", "Limits", "Description"], rows));
  section.append(...examples(schema));
  return section;
}

function examples(schema) {
  return (schema.examples ?? []).flatMap((each) => [
    element("h3", {}, "Example"),
    element("pre", { tabIndex: 0 }, JSON.stringify(each, null, 2)),
  ]);
}

function limits(parameter) {
  const shown = schemaRows({ properties: { it: parameter.schema }, required: parameter.required ? ["it"] : [] });
  return shown[0].limits;
}

function schemaLink(schema, text = typeOf(schema)) {
  const name = reference(schema);
  return name ? link(`schema-${name}`, text) : text;
}

function route(method, path) {
  return element("span", { className: "route" }, element("span", { className: "method" }, method.toUpperCase()), path);
}

function link(id, content) {
  return element("a", { href: `#${encodeURIComponent(id)}` }, content);
}

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

/** An element with properties and children; strings become text, never markup. */
function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
