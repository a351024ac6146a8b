// The names of a product's fields.

export const LABELS = { sku: "SKU", name: "Name", description: "Description", active: "Active" };
