// A webhook's way: verified by the provider's own rules, its events joined to messages, and answered only once all of it is stored.
import type { AccountEvent, Provider, ProviderEvent, WebhookRequest } from '../../providers/provider.ts';
import { plausibleAt } from '../core/events.ts';
import { maskAddresses } from '../core/mask.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { Oddities } from '../store/oddities.ts';
import type { SeenStore } from '../store/seen.ts';
import { type RecordParts, recordEvent } from './record.ts';

/** What receiving is made of. */
export interface ReceiveParts {
  readonly record: RecordParts;
  readonly accounts: AccountStore;
  readonly oddities: Oddities;
  readonly seen: SeenStore;
  readonly log: { warn(fields: Record<string, unknown>, text: string): void };
  /** Counts what came: the result of the request, or the type of each event. */
  readonly count: (provider: string, what: string, by: number) => void;
  /** Called for a provider whose account has spoken. */
  readonly judge: (provider: string) => void;
}

/** What to answer: a status, and a body for the provider's eyes. */
export interface Reply {
  readonly status: number;
  readonly body: string;
}

// The verification of one request may need a certificate from elsewhere; the provider itself waits 10 s and more.
const verifyMs = 8_000;
// So many events of one request are recorded at the same time.
const atOnce = 50;
// Of what belongs to nothing of ours no more than this is kept, in characters: enough to see what it is.
const mostRaw = 16_384;

/**
 * Receives one webhook for `provider`. Rejects when something of it could not be stored: the caller then answers 5xx, and the provider
 * sends all of it again, which is harmless.
 */
export async function receive(
  parts: ReceiveParts,
  name: string,
  provider: Provider,
  request: WebhookRequest,
): Promise<Reply> {
  if (!provider.webhook) return { status: 404, body: 'this provider has no webhooks' };
  const result = await provider.webhook(request, {
    signal: AbortSignal.timeout(verifyMs),
    once: (token, forMs, cameWith) => parts.seen.once(name, token, forMs, cameWith),
  });
  parts.count(name, result.kind, 1);
  switch (result.kind) {
    case 'answered':
      return { status: result.status, body: result.body };
    case 'forged':
      parts.log.warn(
        { provider: name, detail: maskAddresses(result.detail) },
        'a webhook was refused: it does not prove that it comes from the provider',
      );
      return { status: 401, body: 'not verified' };
    case 'unreadable':
      parts.log.warn(
        { provider: name, detail: maskAddresses(result.detail) },
        'a webhook could not be read; it is kept for a look',
      );
      await parts.oddities.keep(name, {
        kind: 'unreadable',
        at: request.receivedAt,
        detail: result.detail,
        raw: Buffer.from(request.body).toString('utf8').slice(0, mostRaw),
      });
      return { status: 200, body: 'kept' };
    case 'events':
      // A provider that is not believed is no witness that news reaches us.
      if (result.events.length > 0 && !parts.record.distrusts(name)) await parts.record.saw(name);
      await recordAll(parts, name, result.events, request.receivedAt);
      for (const event of result.account) await recordAccount(parts, name, event, request.receivedAt);
      return { status: 200, body: 'recorded' };
    default:
      return result satisfies never;
  }
}

async function recordAll(
  parts: ReceiveParts,
  name: string,
  events: readonly ProviderEvent[],
  now: number,
): Promise<void> {
  // Events about one message go one after the other: they would only get into each other's way.
  const rows = groupByMessage(events).values();
  // A part of the store may be away: what belongs elsewhere is recorded all the same, and then all of it is asked for again.
  const failed: unknown[] = [];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const row of rows) {
        try {
          for (const event of row) await recordOne(parts, name, event, now);
        } catch (error) {
          failed.push(error);
        }
      }
    }),
  );
  if (failed.length > 0) throw failed[0];
}

function groupByMessage(events: readonly ProviderEvent[]): Map<string, ProviderEvent[]> {
  const rows = new Map<string, ProviderEvent[]>();
  for (const event of events) {
    const key = event.messageId ?? event.providerMessageId ?? '';
    const row = rows.get(key);
    if (row) row.push(event);
    else rows.set(key, [event]);
  }
  return rows;
}

async function recordOne(parts: ReceiveParts, name: string, event: ProviderEvent, now: number): Promise<void> {
  const came = await recordEvent(parts.record, name, event);
  parts.count(name, came === 'foreign' || came === 'distrusted' ? came : event.type, 1);
  if (came !== 'foreign') return;
  // Mail we never sent, from our account: either an old system of ours still sends there, or somebody else does.
  parts.log.warn(
    { provider: name, event: event.type },
    'an event about mail we never sent: does somebody else send with this account?',
  );
  await parts.oddities.keep(name, {
    kind: 'foreign',
    at: plausibleAt(event.at, now),
    detail: event.type,
    raw: JSON.stringify(event).slice(0, mostRaw),
  });
}

async function recordAccount(parts: ReceiveParts, name: string, event: AccountEvent, now: number): Promise<void> {
  const detail = maskAddresses(event.detail);
  parts.log.warn({ provider: name, status: event.status, detail }, 'the provider speaks of our account');
  if (parts.record.distrusts(name)) return;
  // Never later than now: no check of ours would ever be the newer word.
  const at = plausibleAt(event.at, now);
  await parts.accounts.write(name, { status: event.status, quotaRemaining: null, detail, at });
  parts.judge(name);
}
