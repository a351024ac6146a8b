// What the fields of a product are called.

export const LABELS = { sku: "SKU", name: "Name", description: "Description", active: "Active" };
