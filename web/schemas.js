// Turns JSON Schemas into the rows of the tables in the API reference.

/**
 * @typedef {{
 *   $ref?: string, type?: string, format?: string, description?: string, items?: Schema, anyOf?: Schema[],
 *   required?: string[], properties?: Record<string, Schema>, examples?: unknown[],
 *   minimum?: number, maximum?: number, minLength?: number, maxLength?: number,
 *   pattern?: string, const?: unknown, enum?: unknown[], default?: unknown,
 * }} Schema
 */

/** @type {((schema: Schema) => string | false | undefined)[]} */
const LIMITS = [
  ({ minimum }) => minimum !== undefined && `≥ ${minimum}`,
  ({ maximum }) => maximum !== undefined && `≤ ${maximum}`,
  ({ minLength }) => minLength !== undefined && `at least ${minLength} characters`,
  ({ maxLength }) => maxLength !== undefined && `at most ${maxLength} characters`,
  ({ pattern }) => pattern !== undefined && `matches ${pattern}`,
  (schema) => "const" in schema && `always ${JSON.stringify(schema.const)}`,
  (schema) => schema.enum?.join(", "),
  (schema) => (schema.default ?? null) !== null && `default ${JSON.stringify(schema.default)}`,
];

/**
 * The name of the schema that this one refers to, directly, through its items, or through its only alternative to null.
 *
 * @param {Schema} schema
 * @returns {string | null}
 */
export function reference(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1) ?? null;
  if (schema.items) return reference(schema.items);
  const alternatives = (schema.anyOf ?? []).filter((each) => each.type !== "null");
  return alternatives.length === 1 ? reference(alternatives[0]) : null;
}

/**
 * The type of a schema in words.
 *
 * @param {Schema} schema
 * @returns {string}
 */
export function typeOf(schema) {
  if (schema.$ref) return reference(schema) ?? "any type";
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items ?? {})}`;
  return [schema.type ?? "any type", schema.format].filter(Boolean).join(", ");
}

/**
 * One row for each field of an object.
 *
 * @param {Schema} schema
 */
export function schemaRows(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, field]) => ({
    name,
    type: typeOf(field),
    target: reference(field) ? field : null,
    limits: limits(field, required.has(name)),
    description: field.description ?? "",
  }));
}

/**
 * Everything that limits a value, in words.
 *
 * @param {Schema} schema
 * @param {boolean} isRequired
 */
export const limits = (schema, isRequired) => [...(isRequired ? ["required"] : []), ...limitsOf(schema)].join("; ");

/**
 * @param {Schema} schema
 * @returns {string[]}
 */
function limitsOf(schema) {
  const own = LIMITS.map((describe) => describe(schema)).filter((each) => typeof each === "string");
  return [...own, ...(schema.anyOf ?? []).flatMap(limitsOf)];
}
