// Messages in Redis: taken in, read, begun, saved, listed. The only module that writes them.
import type { Redis } from 'ioredis';
import type { Mail } from '../../providers/provider.ts';
import { breath, startsSlice } from '../breath.ts';
import { delayClass, mailboxGroup } from '../core/mailbox.ts';
import { addressesOf, type Flow, type Lane, lanes, newFlow, type Status, statuses } from '../core/message.ts';
import { type Audience, nobody } from './audience.ts';
import type { Settlement } from './evidence.ts';
import { type Keys, keysOf, nudgeChannel } from './keys.ts';
import { acceptScript, beginScript, closeScript, saveScript } from './message-scripts.ts';
import type { Seal } from './seal.ts';
import { movedMark } from './shards/map.ts';

/** What the sender asked for, without texts and attachments. Sealed at rest. */
export type Envelope = Pick<
  Mail,
  'from' | 'to' | 'cc' | 'bcc' | 'replyTo' | 'subject' | 'headers' | 'tags' | 'metadata'
>;

/** Texts and attachments. Sealed at rest, apart from the record, and deleted as soon as nobody can need them. */
export type Body = Pick<Mail, 'text' | 'html' | 'attachments'>;

/** A message as stored. Times are epoch milliseconds; `bytes` is the size of the mail's content, decoded. */
export interface Message {
  readonly id: string;
  /** Grows with every write; a write names the version it has read. */
  readonly version: number;
  readonly status: Status;
  readonly stream: string;
  readonly lane: Lane;
  readonly onUnknown: 'resend' | 'hold';
  readonly createdAt: number;
  readonly scheduledAt: number | null;
  readonly expiresAt: number;
  readonly bytes: number;
  /** The id of the API key that sent it. */
  readonly sentBy: string;
  /** The `traceparent` of the request that brought it, where that is traced. */
  readonly trace?: string | undefined;
  readonly flow: Flow;
  readonly envelope: Envelope;
}

/** A message on its way into the store. */
export interface NewMessage extends Omit<Message, 'version' | 'status' | 'flow'> {
  readonly body: Body;
  /** See `Flow`. */
  readonly avoid?: readonly string[];
}

/** What `begin` needs to know of the provider's limits; see the script for their meaning. */
export interface BeginLimits {
  readonly worldVersion: string;
  readonly leaseMs: number;
  readonly concurrency: number;
  /** Milliseconds between hand-overs; 0 for any rate. */
  readonly intervalMs: number;
  readonly scouts: number;
  readonly probe: boolean;
  /** Of the attempt, and how many probes of it may be unconfirmed at a time; 0 for any number. */
  readonly epoch: number;
  readonly probesOut: number;
}

/** What came of opening an attempt; only after `go` may the wire be touched. `waitMs`: when it is worth asking again. */
export type Begun =
  | { readonly kind: 'go' | 'gone' | 'changed' | 'stale' | 'scouting' }
  | { readonly kind: 'busy' | 'probing'; readonly waitMs: number }
  /** These of the addresses that were to be reached are suppressed. */
  | { readonly kind: 'suppressed'; readonly addresses: readonly string[] };

/** What changes together with a flow. */
export interface Change {
  readonly status: Status;
  readonly flow: Flow;
  /** When a job has to have looked at it again; null when nothing more is to be done; `keep` leaves that, and the waiting, to whom it is up to. */
  readonly dueAt: number | 'keep' | null;
  /** Set while it waits for some provider to come back, so that it can be woken. */
  readonly waiting?: boolean;
  /** `keep`, `drop` now, or keep until then. */
  readonly body: 'keep' | 'drop' | number;
  readonly scheduledAt?: number | null;
  /** Another life: record and body are kept as long as that needs. */
  readonly expiresAt?: number;
  readonly confirmation?: Confirmation;
}

/** What has happened between this message and a provider. `epoch`: of the attempt that the provider accepted. */
export type Confirmation = { readonly provider: string } & (
  | {
      /** A provider that confirms deliveries has taken it; `askAfterMs`: when to ask about it, null = never. */
      readonly state: 'awaited';
      readonly epoch: number;
      readonly askAfterMs: number | null;
    }
  /** It has taken it, and its first sign of life was here before we could write that down. */
  | { readonly state: 'taken and heard'; readonly epoch: number }
  /**
   * A sign of life; counted if it is the first. `polled`: a delivery that no webhook had told, found by asking. `settled`: the recipient's
   * host has taken or refused it, and not just put it off.
   */
  | { readonly state: 'heard'; readonly epoch: number; readonly polled: boolean; readonly settled: boolean }
  /** Nothing is expected of it any more; counts for nothing. */
  | { readonly state: 'given up' }
);

/** A message of which nothing has been heard since a provider took it, `at` by Redis' clock, epoch ms. */
export interface Unconfirmed {
  readonly id: string;
  readonly at: number;
}

/** Which messages to list. All conditions hold together; times in epoch ms, `until` excluded. */
export interface ListFilter {
  readonly status?: Status;
  readonly stream?: string;
  readonly provider?: string;
  readonly to?: string;
  readonly since?: number;
  readonly until?: number;
  /** The last id of the page before. */
  readonly cursor?: string;
  readonly limit: number;
}

/** An idempotency key, whose it is, and keyed hashes of the body it came with: one for each sealing key, newest first. */
export interface Idempotency {
  readonly owner: string;
  readonly key: string;
  readonly fingerprints: readonly string[];
  /** The version of the list of shards by which it has come to this one. */
  readonly map?: number;
}

/** The messages of one request on their way into the store. */
export interface NewRequest {
  readonly messages: readonly NewMessage[];
  readonly idempotency: Idempotency | null;
}

/** What came of taking in: `replayed` and `conflict` mean that the idempotency key was known, with the same or another body. */
export type Taken =
  | { readonly kind: 'accepted' }
  /** `statuses`: what the messages were when they were taken in, for the same answer again. */
  | { readonly kind: 'replayed'; readonly ids: readonly string[]; readonly statuses: readonly Status[] }
  | { readonly kind: 'conflict' }
  /** The key was routed by a list of shards that is over: it may belong to another shard by now. */
  | { readonly kind: 'moved' };

/** The messages in the store. All reject when it is away. */
export interface Messages {
  /**
   * Takes in requests, durably: of each one all messages or none. A key that was used before answers with what it was used for.
   * Requests of one message each are sent to the store at once, ahead of what is sent next on its connection; a batch takes its time.
   */
  accept(requests: readonly NewRequest[]): Promise<Taken[]>;
  /** What this idempotency key was used for before; null when it was not. */
  taken(idempotency: Idempotency): Promise<Taken | null>;
  /** Null when there is no such message (any more). */
  load(id: string): Promise<Message | null>;
  /** Null when the body has been deleted. */
  body(id: string): Promise<Body | null>;
  /** Opens an attempt to reach `addresses`; `flow` is the one with the attempt in it. */
  begin(
    message: Message,
    flow: Flow,
    provider: string,
    token: string,
    addresses: readonly string[],
    limits: BeginLimits,
  ): Promise<Begun>;
  /** Our id by theirs; null when it is not known (any more). */
  linked(provider: string, theirId: string): Promise<string | null>;
  /** Writes a change; false when the message has changed since it was read, and then nothing was written. */
  save(message: Message, change: Change): Promise<boolean>;
  /**
   * The same, and in the same step what the end of an attempt tells about its provider; that is written even where this is false.
   * `theirId`: the provider's own id of the message, to be remembered for events that do not carry ours.
   */
  close(message: Message, change: Change, settlement: Settlement, theirId: string | null): Promise<boolean>;
  /** How many messages a provider has taken without a sign of life since, and when the oldest of them was taken (epoch ms). */
  unconfirmed(provider: string): Promise<{ readonly count: number; readonly oldestAt: number | null }>;
  /** How many of one lane were taken between these times, both included. */
  countUnconfirmed(provider: string, lane: Lane, from: number, to: number): Promise<number>;
  /** Those messages, newest first, at most `limit`; `before` is the last one of the page before. Fewer than `limit`: there are no more. */
  unconfirmedBetween(
    provider: string,
    lane: Lane,
    from: number,
    to: number,
    before: Unconfirmed | null,
    limit: number,
  ): Promise<readonly Unconfirmed[]>;
  list(filter: ListFilter): Promise<{ readonly messages: readonly Message[]; readonly cursor: string | null }>;
  /** Deletes index entries of messages created before `before`. Records and bodies expire by themselves. */
  trim(before: number, streams: readonly string[], providers: readonly string[]): Promise<number>;
}

/** What a message is until somebody works on it. */
export function firstStatus({ scheduledAt }: Pick<NewMessage, 'scheduledAt'>): 'queued' | 'scheduled' {
  return scheduledAt === null ? 'queued' : 'scheduled';
}

const idempotencyMs = 24 * 3_600_000;
const recordFields = [
  'version',
  'status',
  'stream',
  'lane',
  'onUnknown',
  'createdAt',
  'scheduledAt',
  'expiresAt',
  'bytes',
  'sentBy',
  'flow',
  'envelope',
  'trace',
  'format',
] as const;

// The form of what is stored about a message. Fields may be added without a new one: a release leaves alone what it does not know. A
// record of a later form than this is not touched, so that an older process beside newer ones spoils nothing.
const recordFormat = 1;

/** @param retention how long records and bodies outlive a message's `expiresAt`, in ms. @param audience which applications hear of it. */
export function createMessages(
  redis: Redis,
  seal: Seal,
  retention: { bodies: number; messages: number },
  audience: Audience = nobody,
): Messages {
  const keys = keysOf(redis);
  const recipientKeys = (envelope: Envelope) =>
    [...new Set(addressesOf(envelope))].map((address) =>
      keys.byRecipient(seal.hash('recipient', address.toLowerCase())),
    );

  async function loadMany(ids: readonly string[]): Promise<(Message | null)[]> {
    return (await readMessages(redis, seal, ids)).map((read) => read());
  }

  // Under the newest sealing key first; a key that was used before a rotation is still known.
  const idempotencyKeys = ({ owner, key }: Idempotency) =>
    seal.hashes('idempotency', key).map((hash) => keys.idempotency(owner, hash));
  // Looked at in the same step, as if it were one of the key's older names: what it holds says that the list is over.
  const mapKeys = ({ map }: Idempotency) => (map === undefined ? [] : [keys.mapOver(map)]);
  const takenBefore = (stored: string, { fingerprints }: Idempotency): Taken => {
    if (stored === movedMark) return { kind: 'moved' };
    const earlier = JSON.parse(stored) as { fingerprint: string; ids: string[]; statuses: Status[] };
    if (!fingerprints.includes(earlier.fingerprint)) return { kind: 'conflict' };
    return { kind: 'replayed', ids: earlier.ids, statuses: earlier.statuses };
  };

  const idempotencyValue = ({ fingerprints }: Idempotency, messages: readonly NewMessage[]) =>
    JSON.stringify({
      fingerprint: fingerprints[0],
      ids: messages.map(({ id }) => id),
      statuses: messages.map(firstStatus),
    });

  function addNew(message: NewMessage, scriptKeys: string[], args: (string | number | Buffer)[]): void {
    const status = firstStatus(message);
    const recipients = recipientKeys(message.envelope);
    scriptKeys.push(
      keys.message(message.id),
      keys.body(message.id),
      keys.byStream(message.stream),
      keys.byStatus(status),
      ...recipients,
    );
    const fields = encode(message, status, seal);
    args.push(
      recipients.length,
      message.id,
      message.scheduledAt ?? message.createdAt,
      message.expiresAt + retention.messages,
      message.expiresAt + retention.bodies,
      seal.seal(message.id, 'body', encodeBody(message.body)),
      fields.length,
      ...fields,
    );
  }

  function saving(message: Message, change: Change): { keys: string[]; args: (string | number)[] } {
    const indexed = keys.byStatus(change.status);
    const taken = change.flow.provider !== null && change.flow.provider !== message.flow.provider;
    const { expiresAt, confirmation } = change;
    const concerned = confirmation?.provider ?? '';
    const group = confirmation ? groupOf(message.envelope) : '';
    const fields: (string | number)[] = [];
    if (change.scheduledAt !== undefined) fields.push('scheduledAt', change.scheduledAt ?? '');
    if (expiresAt !== undefined) fields.push('expiresAt', expiresAt);
    // A life that grows longer takes what it needs along.
    const body = change.body === 'keep' && expiresAt !== undefined ? expiresAt + retention.bodies : change.body;
    const due = audience.dueAfter(message, change.flow).map(keys.tellDue);
    return {
      keys: [
        keys.message(message.id),
        keys.body(message.id),
        keys.due,
        keys.waiting,
        keys.byStatus(message.status),
        indexed,
        taken ? keys.byProvider(change.flow.provider!) : indexed,
        keys.unconfirmed(concerned, message.lane),
        keys.polls(concerned),
        keys.tally(concerned),
        keys.signs(concerned),
        prefixOf(keys.recent, concerned),
        prefixOf(keys.past, concerned),
        ...(expiresAt === undefined ? [] : recipientKeys(message.envelope)),
        ...due,
      ],
      args: [
        message.id,
        message.version,
        change.status,
        JSON.stringify(change.flow),
        change.dueAt ?? '',
        (change.waiting ? change.dueAt : null) ?? '',
        body === 'keep' ? '' : body === 'drop' ? 0 : body,
        confirmation?.state ?? '',
        (confirmation?.state === 'awaited' ? confirmation.askAfterMs : null) ?? '',
        expiresAt === undefined ? '' : expiresAt + retention.messages,
        group,
        delayClass(group),
        confirmation && 'epoch' in confirmation ? confirmation.epoch : '',
        confirmation?.state === 'heard' && confirmation.polled ? '1' : '',
        confirmation?.state === 'heard' && confirmation.settled ? '1' : '',
        due.length,
        ...fields,
      ],
    };
  }

  return {
    async accept(requests) {
      const oldest = Math.min(...requests.map(({ messages: [first] }) => first?.createdAt ?? 0));
      const scriptKeys = [keys.due, keys.all];
      const args: (string | number | Buffer)[] = [
        idFloor(oldest - retention.messages - longestLifeMs),
        requests.length,
      ];
      for (const { messages, idempotency } of requests) {
        const names = idempotency ? [...idempotencyKeys(idempotency), ...mapKeys(idempotency)] : [];
        scriptKeys.push(...names);
        args.push(
          idempotency ? idempotencyValue(idempotency, messages) : '',
          idempotency ? idempotencyMs : 0,
          Math.max(0, names.length - 1),
          messages.length,
        );
        for (const [index, message] of messages.entries()) {
          if (startsSlice(index)) await breath();
          addNew(message, scriptKeys, args);
        }
      }
      const replies = await acceptScript(redis, scriptKeys, args);
      return requests.map(({ idempotency }, index) => {
        const held = replies[index];
        return held && idempotency ? takenBefore(held.toString(), idempotency) : { kind: 'accepted' };
      });
    },

    async taken(idempotency) {
      for (const key of idempotencyKeys(idempotency)) {
        const stored = await redis.get(key);
        if (stored !== null) return takenBefore(stored, idempotency);
      }
      return null;
    },

    async load(id) {
      return decode(id, await redis.hmgetBuffer(keys.message(id), ...recordFields), seal);
    },

    async body(id) {
      const sealed = await redis.getBuffer(keys.body(id));
      return sealed && decodeBody(seal.open(id, 'body', sealed));
    },

    async begin(message, flow, provider, token, addresses, limits) {
      const [kind, ...rest] = await beginScript(
        redis,
        [
          keys.message(message.id),
          keys.world,
          keys.inflight(provider),
          keys.rate(provider),
          keys.pause(provider),
          keys.proven(provider),
          keys.probe(provider),
          keys.due,
          keys.waiting,
          keys.byStatus(message.status),
          keys.byStatus('sending'),
          keys.tally(provider),
          keys.handedOver(provider, message.stream),
          keys.handedOverSince,
          ...addresses.flatMap((address) => suppressionKeys(keys, seal, address)),
        ],
        [
          message.id,
          message.version,
          limits.worldVersion,
          JSON.stringify(flow),
          limits.leaseMs,
          token,
          limits.concurrency,
          limits.intervalMs,
          limits.scouts,
          limits.probe ? '1' : '0',
          limits.epoch,
          limits.probesOut,
          `${message.id}/${flow.attempts.length}`,
          `${provider}:${message.stream}`,
        ],
      );
      if (kind === 'suppressed') {
        const ofEach = suppressionKeys(keys, seal, '').length;
        const found = new Set(rest.map((position) => addresses[Math.floor(position / ofEach)]!));
        return { kind, addresses: [...found] };
      }
      return { kind, waitMs: rest[0] ?? 0 } as Begun;
    },

    async linked(provider, theirId) {
      for (const hash of seal.hashes('their id', theirId)) {
        const id = await redis.get(keys.theirId(provider, hash));
        if (id !== null) return id;
      }
      return null;
    },

    async save(message, change) {
      const script = saving(message, change);
      return (await saveScript(redis, script.keys, script.args)) === 1;
    },

    async close(message, change, settlement, theirId) {
      const { provider } = settlement;
      const saved = saving(message, change);
      const link = theirId === null ? '' : keys.theirId(provider, seal.hash('their id', theirId));
      const reply = await closeScript(
        redis,
        [
          keys.inflight(provider),
          keys.pause(provider),
          keys.proven(provider),
          keys.probe(provider),
          prefixOf(keys.evidence, provider),
          link || keys.message(message.id),
          ...saved.keys,
        ],
        [...settlement.args, link ? linkMs : 0, ...saved.args],
      );
      // The monitor looks every second anyway; what may change a verdict should not wait for that.
      if (settlement.urgent) await redis.publish(nudgeChannel, provider);
      return reply === 1;
    },

    async unconfirmed(provider) {
      const ofEach = await Promise.all(
        lanes.map(async (lane) => {
          const key = keys.unconfirmed(provider, lane);
          const [count, oldest] = await Promise.all([redis.zcard(key), redis.zrange(key, 0, '0', 'WITHSCORES')]);
          return { count, oldest: scored(oldest)[0]?.at ?? Number.POSITIVE_INFINITY };
        }),
      );
      const oldest = Math.min(...ofEach.map((one) => one.oldest));
      const count = ofEach.reduce((sum, one) => sum + one.count, 0);
      return { count, oldestAt: Number.isFinite(oldest) ? oldest : null };
    },

    countUnconfirmed: (provider, lane, from, to) => redis.zcount(keys.unconfirmed(provider, lane), from, to),

    async unconfirmedBetween(provider, lane, from, to, before, limit) {
      const key = keys.unconfirmed(provider, lane);
      const older = (max: number | string) =>
        redis.zrange(key, max, String(from), 'BYSCORE', 'REV', 'LIMIT', 0, limit, 'WITHSCORES');
      if (!before) return scored(await older(to));
      // Of the last one's own instant there are few; everything newer is never looked at again.
      const [sameTime, rest] = await Promise.all([
        redis.zrange(key, before.at, String(before.at), 'BYSCORE', 'REV', 'WITHSCORES'),
        older(`(${before.at}`),
      ]);
      return [...scored(sameTime).filter(({ id }) => id < before.id), ...scored(rest)].slice(0, limit);
    },

    async list(filter) {
      const indexes = filter.to
        ? seal.hashes('recipient', filter.to.toLowerCase()).map(keys.byRecipient)
        : [
            filter.status
              ? keys.byStatus(filter.status)
              : filter.provider
                ? keys.byProvider(filter.provider)
                : filter.stream
                  ? keys.byStream(filter.stream)
                  : keys.all,
          ];
      const found: Message[] = [];
      const floor = filter.since === undefined ? '-' : `[${idFloor(filter.since)}`;
      let ceiling = filter.cursor ? `(${filter.cursor}` : '+';
      if (filter.until !== undefined && (!filter.cursor || filter.cursor > idFloor(filter.until)))
        ceiling = `(${idFloor(filter.until)}`;
      // A rare combination of filters must not read the whole store in one request: past this, the page ends short, with a cursor.
      let toRead = 2_000;
      // With one condition at most, an index holds little but what is asked for. Where it does, the next reads are as large as ever.
      const { status, stream, provider, to } = filter;
      const sure = [status, stream, provider, to].filter((one) => one !== undefined).length <= 1;
      let atATime = sure ? Math.min(filter.limit, pageSize) : pageSize;
      for (;;) {
        const pages = await Promise.all(
          indexes.map((key) => redis.zrange(key, ceiling, floor, 'BYLEX', 'REV', 'LIMIT', 0, atATime)),
        );
        const ids = [...new Set(pages.flat())].sort().reverse().slice(0, atATime);
        if (ids.length === 0) return { messages: found, cursor: null };
        for (const [index, message] of (await loadMany(ids)).entries()) {
          if (message && matches(message, filter)) found.push(message);
          if (found.length === filter.limit) return { messages: found, cursor: ids[index]! };
        }
        toRead -= ids.length;
        if (toRead <= 0) return { messages: found, cursor: ids.at(-1)! };
        ceiling = `(${ids.at(-1)}`;
        atATime = pageSize;
      }
    },

    async trim(before, streams, providers) {
      const indexes = [
        keys.all,
        ...statuses.map(keys.byStatus),
        ...streams.map(keys.byStream),
        ...providers.map(keys.byProvider),
      ];
      const pipeline = redis.pipeline();
      for (const key of indexes) pipeline.zremrangebylex(key, '-', `(${idFloor(before)}`);
      for (const provider of providers) {
        for (const lane of lanes) pipeline.zremrangebyscore(keys.unconfirmed(provider, lane), '-inf', before);
        pipeline.zremrangebyscore(keys.polls(provider), '-inf', before);
      }
      const replies = (await pipeline.exec()) ?? [];
      return Number(replies[0]?.[1] ?? 0);
    },
  };
}

/** Reads them in one round trip. What comes back opens one: it gives null where there is none (any more), and throws where its key is gone. */
export async function readMessages(
  redis: Redis,
  seal: Seal,
  ids: readonly string[],
): Promise<readonly (() => Message | null)[]> {
  const keys = keysOf(redis);
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hmgetBuffer(keys.message(id), ...recordFields);
  const replies = (await pipeline.exec()) ?? [];
  return ids.map((id, index) => {
    const [error, values] = replies[index] ?? [new Error('no reply'), null];
    if (error) throw error;
    return () => decode(id, values as (Buffer | null)[], seal);
  });
}

/**
 * The mailbox group that a message counts for. One to many shows life when the first of them does; its silence is one observation, of the
 * mailbox it goes to first.
 */
export function groupOf(envelope: Pick<Envelope, 'to' | 'cc' | 'bcc'>): string {
  const [first = ''] = addressesOf(envelope);
  return mailboxGroup(first.slice(first.lastIndexOf('@') + 1));
}

/** What all block keys of a provider begin with: Redis' clock says in a script which block it is. */
function prefixOf(key: (provider: string, block: number) => string, provider: string): string {
  return key(provider, 0).slice(0, -1);
}

/** Members with their scores: pairs under RESP3, one flat list under RESP2. */
function scored(reply: readonly unknown[]): Unconfirmed[] {
  const flat = reply.flat().map(String);
  return flat.flatMap((id, index) => (index % 2 === 0 ? [{ id, at: Number(flat[index + 1]) }] : []));
}

const pageSize = 100;
// What was created longer ago than this and the retention is out of a recipient's index: a mailbox that gets mail every day would
// otherwise have one that only grows. Longer than nearly any message lives, from its acceptance to its expiry.
const longestLifeMs = 62 * 86_400_000;
// Longer than any provider goes on trying to deliver.
const linkMs = 7 * 86_400_000;

/** The keys under which an address may be suppressed: one for each sealing key, newest first. Mail hosts ignore the case of addresses. */
export function suppressionKeys(keys: Keys, seal: Seal, address: string): string[] {
  return seal.hashes('suppression', address.toLowerCase()).map(keys.suppression);
}

function matches(message: Message, { status, stream, provider, to }: ListFilter): boolean {
  return (
    (!status || message.status === status) &&
    (!stream || message.stream === stream) &&
    (!provider || message.flow.provider === provider) &&
    (!to || addressesOf(message.envelope).some((address) => address.toLowerCase() === to.toLowerCase()))
  );
}

function encode(message: NewMessage, status: Status, seal: Seal): (string | number | Buffer)[] {
  const { envelope, trace } = message;
  const fields: (string | number | Buffer)[] = [];
  const put = (name: (typeof recordFields)[number], value: string | number | Buffer) => fields.push(name, value);
  put('format', recordFormat);
  put('version', 1);
  put('status', status);
  put('stream', message.stream);
  put('lane', message.lane);
  put('onUnknown', message.onUnknown);
  put('createdAt', message.createdAt);
  put('scheduledAt', message.scheduledAt ?? '');
  put('expiresAt', message.expiresAt);
  put('bytes', message.bytes);
  put('sentBy', message.sentBy);
  put('flow', JSON.stringify(newFlow(addressesOf(envelope).length, message.avoid)));
  put('envelope', seal.seal(message.id, 'envelope', Buffer.from(JSON.stringify(envelope))));
  if (trace !== undefined) put('trace', trace);
  return fields;
}

function decode(id: string, values: readonly (Buffer | null)[], seal: Seal): Message | null {
  const [
    version,
    status,
    stream,
    lane,
    onUnknown,
    createdAt,
    scheduledAt,
    expiresAt,
    bytes,
    sentBy,
    flow,
    envelope,
    trace,
    format,
  ] = values;
  if (!version || !flow || !envelope) return null;
  // Before records had a form on them it was this one.
  if (Number(format ?? 1) > recordFormat)
    throw new Error(
      `The record of ${id} has form ${Number(format)}, and this release knows ${recordFormat}: a later release has written it. Start that one again.`,
    );
  return {
    id,
    version: Number(version),
    status: String(status) as Status,
    stream: String(stream),
    lane: String(lane) as Lane,
    onUnknown: String(onUnknown) as 'resend' | 'hold',
    createdAt: Number(createdAt),
    scheduledAt: scheduledAt && scheduledAt.length > 0 ? Number(scheduledAt) : null,
    expiresAt: Number(expiresAt),
    bytes: Number(bytes),
    sentBy: String(sentBy),
    ...(trace && { trace: String(trace) }),
    flow: JSON.parse(String(flow)) as Flow,
    envelope: JSON.parse(String(seal.open(id, 'envelope', envelope))) as Envelope,
  };
}

// Length-prefixed JSON, then the attachments as they are: no base64 of megabytes at rest.
function encodeBody({ text, html, attachments }: Body): Buffer {
  const head = Buffer.from(
    JSON.stringify({
      text,
      html,
      attachments: attachments.map(({ content, ...rest }) => ({ ...rest, size: content.byteLength })),
    }),
  );
  const size = Buffer.alloc(4);
  size.writeUInt32BE(head.length);
  return Buffer.concat([size, head, ...attachments.map(({ content }) => content)]);
}

function decodeBody(bytes: Buffer): Body {
  const headEnd = 4 + bytes.readUInt32BE(0);
  const head = JSON.parse(bytes.toString('utf8', 4, headEnd)) as {
    text: string | null;
    html: string | null;
    attachments: { filename: string; contentType: string; contentId: string | null; size: number }[];
  };
  let start = headEnd;
  const attachments = head.attachments.map(({ size, ...rest }) => {
    const content = bytes.subarray(start, start + size);
    start += size;
    return { ...rest, content };
  });
  return { text: head.text, html: head.html, attachments };
}

// Ids begin with their time: 48 bits of milliseconds in Crockford's base 32, as ULIDs have them.
const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The smallest id that a message created at `at` can have. */
export function idFloor(at: number): string {
  let rest = Math.max(0, Math.floor(at));
  let text = '';
  for (let digit = 0; digit < 10; digit++) {
    text = crockford[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return `em_${text}`;
}
