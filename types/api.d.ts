// The objects of the HTTP API that the page uses. The OpenAPI document describes each field.

declare namespace Api {
  type Time = string; // ISO 8601

  interface Page<Item> {
    items: Item[];
    total: number;
    total_is_estimate: boolean;
    next: string | null;
    prev: string | null;
  }

  /** RFC 9457. `pointer` is a JSON pointer to a field of the request body. */
  interface Problem {
    type?: string;
    title?: string;
    status?: number;
    code?: string;
    detail?: string;
    errors?: FieldError[];
    /** Of `sku_taken`: the product that has the SKU, and the SKU as that product spells it. */
    product_id?: string;
    sku?: string;
  }

  interface FieldError {
    pointer: string;
    message: string;
  }

  interface EndReason {
    code: string;
    message: string;
    retryable: boolean;
  }

  type ImportStatus = "pending" | "processing" | "completed" | "failed" | "cancelled";

  type ImportOutcome =
    "completed" | "completed_with_rejected_rows" | "nothing_imported" | "failed" | "cancelled" | "ignored";

  interface RowCounts {
    total: number;
    created: number;
    updated: number;
    unchanged: number;
    superseded: number;
    rejected: number;
  }

  interface Import {
    id: string;
    status: ImportStatus;
    outcome: ImportOutcome | null; // null while the import is pending or processing
    summary: string | null;
    filename: string;
    percent: number;
    rows: RowCounts;
    bytes: { total: number; done: number };
    bytes_per_second: number | null;
    rows_per_second: number | null;
    eta_seconds: number | null;
    attempt: number;
    error: EndReason | null;
    warnings: string[];
    created_at: Time;
    started_at: Time | null;
    finished_at: Time | null;
    file_kept: boolean;
    details_kept: boolean; // Whether rejected rows and throughput can still be read.
  }

  interface UploadLink {
    method: "PUT";
    url: string;
    headers: Record<string, string>;
    expires_at: Time;
  }

  interface NewImport extends Import {
    upload: UploadLink;
  }

  interface Throughput {
    step_seconds: number;
    rows: number[];
  }

  interface RejectedRow {
    line: number;
    column: string | null;
    code: string;
    message: string;
    raw: string;
    raw_is_cut: boolean;
  }

  /** The fields of a product that a user can edit. */
  interface ProductFields {
    sku: string;
    name: string;
    description: string;
    active: boolean;
  }

  interface ImportSource {
    kind: "import";
    import_id: string | null; // null, like the file's name, once the import is no longer kept
    filename: string | null;
    line: number;
    file_kept: boolean;
  }

  type Source = ImportSource | { kind: "edit" };

  interface Product extends ProductFields {
    id: string;
    created_at: Time;
    updated_at: Time;
    source: Source;
  }

  interface ListedProduct extends Product {
    description_is_cut: boolean;
  }

  type JobStatus = "pending" | "processing" | "completed" | "failed";

  interface BulkDelete {
    id: string;
    status: JobStatus;
    total: number;
    deleted: number;
    percent: number;
    error: { code: string; message: string } | null;
  }

  interface Export {
    id: string;
    status: JobStatus;
    rows: number;
    size_bytes: number;
    percent: number;
    download: { url: string; expires_at: Time } | null;
    error: { code: string; message: string } | null;
  }

  /** The fields of a webhook that a user can edit. A header that is null keeps its stored value. */
  interface WebhookFields {
    url: string;
    description: string;
    events: string[];
    enabled: boolean;
    headers: Record<string, string | null>;
  }

  /** How a delivery, or its last attempt, ended. */
  interface DeliveryResult {
    status_code: number | null;
    milliseconds: number | null;
    error: string | null;
  }

  interface Webhook extends WebhookFields {
    id: string;
    disabled_reason: string | null;
    failing_since: Time | null;
    last_delivery: (DeliveryResult & { at: Time }) | null;
    secret_expires_at: Time | null;
    created_at: Time;
    updated_at: Time;
    secret?: string | null;
  }

  type Scope = "read" | "write" | "admin";

  /** `token` is what gives access. Only the response to the creation has it, and it is null if that is repeated. */
  interface Token {
    id: string;
    name: string;
    scope: Scope;
    created_at: Time;
    last_used_at: Time | null;
    expires_at: Time | null;
    revoked_at: Time | null;
    token?: string | null;
  }

  interface EventType {
    type: string;
    description: string;
  }

  interface Delivery extends DeliveryResult {
    id: string;
    webhook_id: string;
    event_id: string;
    event_type: string;
    status: "pending" | "delivered" | "failed";
    test: boolean;
    attempt_count: number;
    next_attempt_at: Time | null;
    created_at: Time;
    finished_at: Time | null;
  }

  interface Attempt extends DeliveryResult {
    number: number;
    at: Time;
    request_headers: Record<string, string>;
    response_body: string | null;
  }

  interface DeliveryDetails extends Delivery {
    request_body: string;
    attempts: Attempt[];
  }
}
