// Every error the API can answer with: one registry, held against the documents by a test.

/** What a fault in the input looks like: `path` is like `to[3]` or `headers.X-Foo`. */
export interface FaultView {
  readonly path: string;
  readonly message: string;
}

/** Status and title by name. The name is what callers branch on; it never changes its meaning. */
export const errorTypes = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  bad_request: { status: 400, title: 'The request cannot be read' },
  missing_api_key: { status: 401, title: 'An API key is required' },
  invalid_api_key: { status: 401, title: 'The API key is not valid' },
  insufficient_scope: { status: 403, title: 'The API key lacks the scope for this' },
  sender_not_allowed: { status: 403, title: 'Mail may not be sent from this address' },
  stream_not_allowed: { status: 403, title: 'The API key may not send to this stream' },
  not_found: { status: 404, title: 'There is no such thing' },
  request_timeout: { status: 408, title: 'The request took too long' },
  invalid_idempotent_request: { status: 409, title: 'The idempotency key was used for another request' },
  not_changeable: { status: 409, title: 'The message can no longer be changed like this' },
  needs_force: { status: 409, title: 'It would do harm, and is done only with force' },
  provider_quarantined: { status: 409, title: 'The provider is quarantined' },
  cannot_add_shard: { status: 409, title: 'No shard can be added now' },
  payload_too_large: { status: 413, title: 'The request is too large' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  validation_error: { status: 422, title: 'The request has faults' },
  headers_too_large: { status: 431, title: 'The header fields are too large' },
  internal_error: { status: 500, title: 'The service has failed' },
  store_unavailable: { status: 503, title: 'Mail cannot be stored now' },
  shutting_down: { status: 503, title: 'The service is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>;

/** The name of an error, as callers see it. */
export type ErrorName = keyof typeof errorTypes;

/** An error for the caller. Thrown by routes; the server turns it into problem+json. */
export class ApiError extends Error {
  readonly type: ErrorName;
  readonly faults: readonly FaultView[];
  readonly retryAfterSeconds: number | null;

  constructor(
    type: ErrorName,
    detail: string,
    extra: { faults?: readonly FaultView[]; retryAfterSeconds?: number } = {},
  ) {
    super(detail);
    this.type = type;
    this.faults = extra.faults ?? [];
    this.retryAfterSeconds = extra.retryAfterSeconds ?? null;
  }
}

/** RFC 9457, with the `statusCode`, `name`, `message` trio beside it for clients that read that. */
export function problem(error: ApiError) {
  const { status, title } = errorTypes[error.type];
  return {
    type: `urn:mailover:error:${error.type}`,
    title,
    status,
    detail: error.message,
    ...(error.faults.length > 0 && { errors: error.faults }),
    statusCode: status,
    name: error.type,
    message: error.message,
  };
}
