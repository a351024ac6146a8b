// JSON Schemas in words: what a table of fields says about each of them.

const LIMITS = {
  minimum: (value) => `≥ ${value}`,
  maximum: (value) => `≤ ${value}`,
  minLength: (value) => `at least ${value} characters`,
  maxLength: (value) => `at most ${value} characters`,
  pattern: (value) => `matches ${value}`,
  const: (value) => `always ${JSON.stringify(value)}`,
  enum: (values) => values.join(", "),
  default: (value) => (value === null ? "" : `default ${JSON.stringify(value)}`),
};

/** The name of the schema that this one refers to, itself or through its items or its one alternative to null. */
export function reference(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.items) return reference(schema.items);
  const alternatives = (schema.anyOf ?? []).filter((each) => each.type !== "null");
  return alternatives.length === 1 ? reference(alternatives[0]) : null;
}

/** The type in words. */
export function typeOf(schema) {
  if (schema.$ref) return reference(schema);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items ?? {})}`;
  return [schema.type ?? "any type", schema.format].filter(Boolean).join(", ");
}

/** One row for each field of an object. */
export function schemaRows(schema) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, field]) => ({
    name,
    type: typeOf(field),
    refers: reference(field) ? field : null,
    limits: [required.has(name) ? "required" : "", ...limitsOf(field)].filter(Boolean).join("; "),
    description: field.description ?? "",
  }));
}

function limitsOf(field) {
  const own = Object.entries(LIMITS)
    .filter(([name]) => name in field)
    .map(([name, say]) => say(field[name]));
  return [...own, ...(field.anyOf ?? []).flatMap(limitsOf)];
}
