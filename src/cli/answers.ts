// What the service answers, as far as the commands read it. The service may be another version than the command: hence no types of ours.

/** A provider: GET /v1/providers/{name}. */
export interface ProviderAnswer {
  readonly name: string;
  readonly type: string;
  readonly state: string;
  readonly since: string;
  readonly until: string | null;
  readonly reason: string;
  readonly streams: readonly string[];
  readonly window: { readonly accepted: number };
  readonly confirmation: {
    readonly unconfirmed: number;
    readonly p50: number | null;
    readonly p99: number | null;
    readonly silence: number | null;
    readonly finding: string | null;
    readonly detail: string;
  } | null;
}

/** An incident: GET /v1/incidents/{id}. */
export interface IncidentAnswer {
  readonly id: string;
  readonly provider: string | null;
  readonly stream: string | null;
  readonly cause: string;
  readonly state: 'open' | 'closed';
  readonly opened_at: string;
  readonly closed_at: string | null;
  readonly acknowledged_at: string | null;
  readonly suggestion: string | null;
  readonly counts: {
    readonly moved: number;
    readonly rescued: number;
    readonly expired: number;
    readonly held: number;
    readonly stranded: number;
  };
  readonly rescue: { readonly state: string; readonly candidates: number } | null;
  readonly timeline: readonly { readonly at: string; readonly what: string; readonly text: string }[];
}

/** A message: GET /v1/emails/{id}. */
export interface EmailAnswer {
  readonly id: string;
  readonly status: string;
  readonly provider: string | null;
  readonly stream: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly created_at: string;
  readonly expires_at: string;
  readonly possible_duplicate: boolean;
  readonly reason: string | null;
  readonly attempts: readonly {
    readonly number: number;
    readonly provider: string;
    readonly started_at: string;
    readonly ended_at: string | null;
    readonly outcome: string | null;
    readonly reason: string | null;
    readonly detail: string;
  }[];
  readonly events: readonly {
    readonly type: string;
    readonly at: string;
    readonly provider: string;
    readonly recipient: string | null;
    readonly detail: string;
  }[];
}

/** One copy that a sandbox provider delivered: GET /v1/sandbox/inbox. */
export interface CopyAnswer {
  readonly id: string;
  readonly provider: string;
  readonly message_id: string;
}

/** Where mail is pinned by hand: GET /v1/failover. */
export interface PinAnswer {
  readonly stream: string | null;
  readonly to: string;
  readonly reason: string;
  readonly by: string;
  readonly created_at: string;
  readonly until: string | null;
}

/** What came of a quarantine: POST /v1/providers/{name}/quarantine. */
export interface QuarantineAnswer {
  readonly since: string;
  readonly on_the_wire: number;
  readonly stranded: readonly string[];
  readonly incident: string | null;
}

/** A shard of the store: GET /v1/shards. */
export interface ShardAnswer {
  readonly number: number;
  readonly tag: string;
  readonly state: 'open' | 'adding';
  readonly opened_at: string | null;
  readonly node: string | null;
  readonly waiting: number | null;
}

/** An API key: GET /v1/keys. `key` only once, when it is made. */
export interface KeyAnswer {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly streams: readonly string[] | null;
  readonly senders: readonly string[] | null;
  readonly created_at: string | null;
  readonly key?: string;
}

/** An entry of the audit: GET /v1/audit. */
export interface AuditAnswer {
  readonly number: number;
  readonly at: string;
  readonly who: string;
  readonly who_name: string;
  readonly from: string;
  readonly what: string;
  readonly target: string;
  readonly why: string;
}

/** Whether the audit is as it was written: GET /v1/audit/verify. */
export interface AuditReportAnswer {
  readonly ok: boolean;
  readonly count: number;
  readonly last: number | null;
  readonly link: string | null;
  readonly broken: { readonly number: number | null; readonly detail: string } | null;
}

/** A rescue: POST /v1/incidents/{id}/rescue. */
export interface RescueAnswer {
  readonly provider: string;
  readonly state: string;
  readonly candidates: number;
  readonly by_stream: Readonly<Record<string, number>>;
  readonly would: Readonly<Record<'send' | 'hold' | 'expire' | 'leave', number>>;
  readonly counts: Readonly<Record<'rescued' | 'expired' | 'held' | 'stranded' | 'confirmed_late', number>>;
}

/** What came of a test alert: POST /v1/alerts/test. */
export interface SinkTestAnswer {
  readonly sink: string;
  readonly type: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly detail: string;
}

/** What nobody took: GET /v1/dead-letters. */
export interface DeadLetterAnswer {
  readonly id: string;
  readonly kind: string;
  readonly to: string;
  readonly given_up_at: string;
  readonly about: string;
  readonly detail: string;
}

/** A list of any of them. */
export interface ListAnswer<T> {
  readonly data: readonly T[];
}
