// The contract between Mailover and one email provider: types only, imports nothing. Read this file first.

/** An email address ready for the wire: local part as given, domain as IDN A-labels in lower case. `name` may be empty and holds no CR, LF or NUL. */
export interface Mailbox {
  readonly name: string;
  readonly address: string;
}

/** A file that travels with the mail. With `contentId` it is shown inline, where the HTML says `cid:<contentId>`. */
export interface Attachment {
  readonly filename: string;
  readonly contentType: string;
  readonly content: Uint8Array;
  readonly contentId: string | null;
}

/**
 * One mail as every adapter gets it: validated, frozen, safe to put into headers.
 *
 * `to`, `cc` and `replyTo` are what the reader sees. `recipients` are the addresses that this hand-over has to reach: all of
 * `to`, `cc` and `bcc` at first, fewer when an earlier provider has already taken some. No adapter may reach anyone else,
 * and none may show `bcc` to a reader.
 */
export interface Mail {
  /** Our message id, `em_…`. It goes into the provider's metadata and into the header `X-Mailover-Id`. */
  readonly id: string;
  readonly from: Mailbox;
  readonly to: readonly Mailbox[];
  readonly cc: readonly Mailbox[];
  readonly bcc: readonly Mailbox[];
  readonly replyTo: readonly Mailbox[];
  readonly subject: string;
  readonly text: string | null;
  readonly html: string | null;
  /** Extra headers by name as the sender wrote it; never one that would override From, Sender, Bcc, Return-Path or DKIM. */
  readonly headers: Readonly<Record<string, string>>;
  readonly attachments: readonly Attachment[];
  readonly tags: readonly { readonly name: string; readonly value: string }[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly recipients: readonly string[];
}

/** What one hand-over came to. See `src/core/outcome.ts` for what follows from each. */
export type Outcome = 'accepted' | 'parked' | 'rejected' | 'refused' | 'failed' | 'unknown';

/** Why, from a closed list, so that callers may branch on it. */
export type Reason =
  | 'account_suspended'
  | 'invalid_credentials'
  | 'sender_not_verified'
  | 'plan_required'
  | 'quota_exceeded'
  | 'backlogged'
  | 'rate_limited'
  | 'recipient_invalid'
  | 'recipient_suppressed'
  | 'recipient_deferred'
  | 'content_rejected'
  | 'invalid_message'
  | 'too_large'
  | 'unsupported'
  | 'connection_failed'
  | 'tls_failed'
  | 'timeout'
  | 'connection_lost'
  | 'provider_error'
  | 'unreadable_response'
  | 'unmapped'
  | 'worker_crashed';

/** One recipient whose lot differs from that of the whole hand-over. */
export interface RecipientResult {
  readonly address: string;
  readonly outcome: Outcome;
  readonly reason: Reason;
  readonly detail: string;
}

interface ResultCommon {
  /** The provider's own words, for an operator; an adapter keeps secrets out of it, and it is cut to 500 characters. */
  readonly detail: string;
  /** Only the recipients whose outcome differs from `outcome`. Absent or empty: all share it. */
  readonly recipients?: readonly RecipientResult[];
}

/**
 * The answer to one hand-over: always a value, never an exception.
 *
 * `accepted`: the provider took it. `parked`: taken with a success code, but it will not go out now. `rejected`: this message
 * or recipient is at fault. `refused`: our account there cannot carry it. `failed`: certainly not sent, their trouble.
 * `unknown`: perhaps sent. When in doubt between `failed` and `unknown`, say `unknown`.
 */
export type Result =
  | (ResultCommon & { readonly outcome: 'accepted'; readonly reason: null; readonly providerMessageId: string | null })
  | (ResultCommon & { readonly outcome: 'parked'; readonly reason: Reason; readonly providerMessageId: string | null })
  | (ResultCommon & { readonly outcome: 'rejected'; readonly reason: Reason })
  | (ResultCommon & { readonly outcome: 'refused'; readonly reason: Reason })
  | (ResultCommon & { readonly outcome: 'failed'; readonly reason: Reason; readonly retryAfterMs?: number })
  | (ResultCommon & { readonly outcome: 'unknown'; readonly reason: Reason; readonly retryAfterMs?: number });

/** Why a provider cannot carry one mail at all; found before the wire. `refused` becomes the attempt's outcome. */
export interface Unsupported {
  readonly reason: 'unsupported' | 'too_large' | 'sender_not_verified';
  readonly detail: string;
}

/** What comes with one hand-over. */
export interface SendContext {
  /** Aborts when the time for this hand-over is up. The adapter must settle soon after, with what it knows by then. */
  readonly signal: AbortSignal;
  /** The whole time this hand-over may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The same for every hand-over of one message to this provider; for providers that keep idempotency keys. */
  readonly idempotencyKey: string;
}

/** A normalised event about one message. `at` is epoch milliseconds by the provider's clock. */
export interface ProviderEvent {
  /** The provider's id for this event; a repeat of it changes nothing. */
  readonly id: string;
  readonly type: EventType;
  readonly at: number;
  /** Our message id, when the provider gave it back. */
  readonly messageId: string | null;
  readonly providerMessageId: string | null;
  readonly recipient: string | null;
  /** For `bounced` and `rejected`: will it never work for this address? Then it is suppressed. */
  readonly permanent: boolean;
  readonly detail: string;
}

/** What can become of a mail after a provider has taken it. */
export type EventType =
  | 'sent'
  | 'delivered'
  | 'deferred'
  | 'bounced'
  | 'complained'
  | 'rejected'
  | 'opened'
  | 'clicked'
  | 'unsubscribed'
  | 'other';

/** May we send? `unknown` is a legitimate answer: not being allowed to look is no evidence of anything. */
export interface AccountStatus {
  readonly status: 'active' | 'limited' | 'suspended' | 'unknown';
  readonly quotaRemaining: number | null;
  readonly detail: string;
}

/** What the account itself has to say, unasked: an event about no message. */
export interface AccountEvent {
  /** The provider's id for it; a repeat changes nothing. */
  readonly id: string;
  readonly at: number;
  readonly status: 'active' | 'limited' | 'suspended';
  readonly detail: string;
}

/** A webhook as it came: nothing decoded, nothing dropped. Header names in lower case. */
export interface WebhookRequest {
  readonly method: string;
  /** Path and query as received, `/webhooks/name?…`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
  readonly receivedAt: number;
}

/** What a webhook may use beside its settings. */
export interface WebhookContext {
  readonly signal: AbortSignal;
  /** Remembers a token and what it came with, for `forMs`; false when it has come before with something else: a replay. */
  once(token: string, forMs: number, cameWith: string): Promise<boolean>;
}

/**
 * What came of a webhook.
 *
 * `events`: it is genuine; both lists may be empty. `forged`: signature, time stamp, topic or credentials are wrong (401, nothing
 * changes). `unreadable`: genuine as far as one can tell, but not what the provider is known to send (kept for a look, and
 * answered 2xx: asking for it again would not help). `answered`: a question of the provider's own, with the reply it wants.
 */
export type WebhookResult =
  | { readonly kind: 'events'; readonly events: readonly ProviderEvent[]; readonly account: readonly AccountEvent[] }
  | { readonly kind: 'forged'; readonly detail: string }
  | { readonly kind: 'unreadable'; readonly detail: string }
  | { readonly kind: 'answered'; readonly status: number; readonly body: string };

/** A message whose fate is asked for. `sentAt`: when its hand-over began. */
export interface LookUp {
  readonly messageId: string;
  readonly providerMessageId: string | null;
  readonly recipients: readonly string[];
  readonly sentAt: number;
}

/**
 * What the provider knows of it. `found` carries what would have come as webhooks, with the ids those would have had where
 * that can be told. `absent`: it answers for this message and has not got it. `unknown`: it cannot say, or not yet.
 */
export type LookedUp =
  | { readonly kind: 'found'; readonly events: readonly ProviderEvent[]; readonly providerMessageId: string | null }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly detail: string };

/** What an adapter is, whatever its settings. */
export interface Traits {
  /** Does it ever tell us that a mail was delivered? Plain SMTP does not. */
  readonly confirmsDelivery: boolean;
  /** Does a second hand-over with the same idempotency key send nothing twice? */
  readonly idempotent: boolean;
  /** The largest mail it takes, in bytes as encoded for the wire; null where it does not say. */
  readonly maxBytes: number | null;
}

/** One configured provider, ready to send. Made by a `ProviderType`; has no state that another process would need. */
export interface Provider {
  readonly name: string;
  readonly type: string;
  readonly traits: Traits;
  /** Before the wire: null when it can carry the mail. Pure. */
  unsupported(mail: Mail): Unsupported | null;
  /** Hands the mail over once: no retry of its own, no exception, settled within `context.timeoutMs` and a little. */
  send(mail: Mail, context: SendContext): Promise<Result>;
  /** Asks the provider about our account. Absent where there is nothing to ask. Never rejects. */
  account?(signal: AbortSignal): Promise<AccountStatus>;
  /** Verifies and reads one webhook. Absent where the provider has none. Rejects only for trouble of ours (then it is answered 5xx, and comes again). */
  webhook?(request: WebhookRequest, context: WebhookContext): Promise<WebhookResult>;
  /** Asks what became of one message. Absent where the provider cannot be asked. Never rejects. */
  lookUp?(message: LookUp, signal: AbortSignal): Promise<LookedUp>;
  /** Lets go of connections. Called once, after the last `send` has settled. */
  close(): Promise<void>;
}

/** A clock in epoch milliseconds. */
export type Clock = () => number;

/** What a provider may write to its log; never bodies, secrets or whole addresses. */
export interface ProviderLog {
  warn(fields: Record<string, unknown>, text: string): void;
}

/** What the composition root hands to every adapter, so that a test can hand in another. */
export interface ProviderParts {
  readonly clock: Clock;
  readonly log: ProviderLog;
  /** The shared state of the sandbox providers; no other adapter touches it. */
  readonly sandbox: SandboxState;
}

/** How a sandbox provider misbehaves; `deliver` is how it behaves. */
export type SandboxMode =
  | 'deliver'
  | 'bounce'
  | 'reject'
  | 'suspend'
  | 'blackhole'
  | 'throttle'
  | 'error'
  | 'timeout'
  | 'hang';

/** How a sandbox provider behaves now. `latencyMs`: from accepted to its event. `share`: the part of mail that `mode` befalls, 0 to 1; the rest is delivered. */
export interface SandboxBehaviour {
  readonly mode: SandboxMode;
  readonly latencyMs: number;
  readonly share: number;
}

/** One mail in a sandbox's inbox. */
export interface SandboxMail {
  readonly id: string;
  readonly provider: string;
  readonly messageId: string;
  readonly at: number;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
}

/** Where sandbox providers keep what all processes must see: their behaviour, their inbox, the events to come. */
export interface SandboxState {
  behaviour(provider: string): Promise<SandboxBehaviour | null>;
  deliver(mail: SandboxMail): Promise<void>;
  /** Makes `event` come back at `event.at`, as a webhook of a real provider would. */
  announce(provider: string, event: ProviderEvent): Promise<void>;
}

/**
 * One kind of provider: what the settings file calls `type`.
 * `create` is given settings that `settings` (a zod schema, in the type's own folder) has parsed.
 */
export interface ProviderType<Settings> {
  readonly type: string;
  create(name: string, settings: Settings, parts: ProviderParts): Provider;
}
