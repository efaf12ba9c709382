// A stage for traffic: messages that one provider takes and is heard of, at times that the test sets.
import type { Redis } from 'ioredis';
import { ulid } from 'ulid';
import type { EventType, Provider } from '../../providers/provider.ts';
import { beginAttempt, type Lane, openAttempt } from '../../src/core/message.ts';
import { createRecorder } from '../../src/delivery/record.ts';
import { createEvidence } from '../../src/store/evidence.ts';
import { type BeginLimits, createMessages, type Message } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createSuppressions } from '../../src/store/suppressions.ts';
import { createTraffic } from '../../src/store/traffic.ts';
import { recordEvent } from '../../src/webhooks/record.ts';
import { withClock } from '../support/redis-clock.ts';

export const minute = 60_000;
export const hour = 60 * minute;
const day = 24 * hour;

export const limits: BeginLimits = {
  worldVersion: '0',
  leaseMs: minute,
  concurrency: 1_000_000,
  intervalMs: 0,
  scouts: 0,
  probe: false,
  epoch: 1,
  probesOut: 0,
};

export interface MessageOptions {
  readonly lane?: Lane;
  readonly to?: string;
}

/** What one process does, on its own connection and with a clock of its own. `now` may be set to any time. */
export function createStage(client: Redis, name: string, { now = Date.now(), lookUp = false } = {}) {
  const stage = { now };
  const clock = () => stage.now;
  const redis = withClock(client, clock);
  const seal = createSeal([Buffer.alloc(32, 7)]);
  const messages = createMessages(redis, seal, { bodies: day, messages: day });
  const suppressions = createSuppressions(redis, seal, clock);
  const provider: Provider = {
    name,
    type: 'test',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes: null },
    unsupported: () => null,
    send: async () => ({ outcome: 'accepted', reason: null, detail: '', providerMessageId: null }),
    ...(lookUp && { lookUp: async () => ({ kind: 'absent' as const }) }),
    close: async () => {},
  };
  const traffic = createTraffic(redis, clock);
  const record = {
    messages,
    suppressions,
    clock,
    delivered: () => {},
    moved: () => {},
    distrusts: () => false,
    saw: traffic.saw,
  };
  const recorder = createRecorder({
    messages,
    evidence: createEvidence(redis, { window: minute, probe_interval: 1_000, proven_for: 1_000 }),
    suppressions,
    providers: new Map([[name, { provider, timeoutMs: 1_000, maxConcurrency: 10, maxRate: null }]]),
    bodiesMs: day,
    pollAfterMs: 5 * minute,
    clock,
    observer: { moved: () => {}, attempted: () => {}, failedOver: () => {}, storeAway: () => {} },
    patience: (work) => work(),
    ended: () => {},
  });

  return Object.assign(stage, {
    name,
    messages,
    traffic,
    /** A message in the store, as it is before its first attempt. */
    async accepted({ lane = 'normal', to = 'ada@example.com' }: MessageOptions = {}): Promise<Message> {
      const id = `em_${ulid()}`;
      const hello = { from: { name: '', address: 'hello@acme.example' }, subject: 'Hello', headers: {}, metadata: {} };
      const message = {
        id,
        stream: 'default',
        lane,
        onUnknown: 'resend' as const,
        createdAt: stage.now,
        scheduledAt: null,
        expiresAt: Date.now() + day,
        bytes: 1,
        sentBy: 'key_test',
        envelope: { ...hello, to: [{ name: '', address: to }], cc: [], bcc: [], replyTo: [], tags: [] },
        body: { text: 'x', html: null, attachments: [] },
      };
      await messages.accept([{ messages: [message], idempotency: null }]);
      return (await messages.load(id))!;
    },
    /** Opens an attempt at the provider. */
    async begun(message: Message, epoch = 1): Promise<Message> {
      const token = `token-${message.id}-${message.version}`;
      const times = { startedAt: stage.now, leaseUntil: stage.now + minute };
      const flow = beginAttempt(message.flow, { provider: name, epoch, probe: false, token, ...times });
      const begun = await messages.begin(message, flow, name, token, [], limits);
      if (begun.kind !== 'go') throw new Error(`begin: ${begun.kind}`);
      return (await messages.load(message.id))!;
    },
    /** The provider has taken it. */
    close: (message: Message) => {
      const result = { outcome: 'accepted', reason: null, detail: '', providerMessageId: null } as const;
      return recorder.close(message, openAttempt(message.flow)!, result);
    },
    /** The provider tells. */
    tell: (id: string, type: EventType, { key = type as string, polled = false } = {}) => {
      const event = {
        id: `${id}-${key}`,
        type,
        at: stage.now,
        messageId: id,
        providerMessageId: null,
        recipient: null,
      };
      return recordEvent(record, name, { ...event, permanent: false, detail: '' }, { polled });
    },
    /** A message that the provider took at `at`. */
    async taken(at: number, message: MessageOptions = {}, epoch = 1): Promise<Message> {
      stage.now = at;
      const made = await this.begun(await this.accepted(message), epoch);
      return (await this.close(made))!;
    },
  });
}
