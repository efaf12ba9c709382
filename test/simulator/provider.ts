// A simulated provider: one account on the far side, and the adapter by which each process of ours speaks to it.
import type { EventType, Provider, ProviderEvent, Result, Unsupported } from '../../providers/provider.ts';
import { type Behaviour, goodDay, type ProviderPlan } from './behaviour.ts';
import type { Clock, Process } from './clock.ts';
import type { Dice } from './detection/dice.ts';
import { delayMs, type Hosts } from './hosts.ts';

/** What the world knows, and the service does not. */
export interface Witness {
  /** A hand-over reached the wire. */
  wired(provider: string, message: string, at: number): void;
  /** It is over: `result` went back to the worker that waited, if that still lives. */
  answered(provider: string, message: string, result: Result): void;
  /** A provider has taken a copy for these recipients. */
  took(provider: string, message: string, recipients: readonly string[], at: number): void;
  /** A copy has reached a recipient. */
  arrived(provider: string, message: string, recipient: string, at: number): void;
  /** What the provider has posted, whether or not it reaches us. */
  said(provider: string, event: ProviderEvent): void;
  line(...words: (string | number)[]): void;
}

interface Held {
  readonly message: string;
  readonly recipients: readonly string[];
}

/** The far side. */
export interface FarSide {
  readonly plan: ProviderPlan;
  behaviour(): Behaviour;
  change(to: Partial<Behaviour>): void;
  /** Sends out what it has kept. */
  flush(): void;
  /** How much it keeps. */
  kept(): number;
  adapterFor(process: Process): Provider;
}

/** What a far side is made of. `post` brings an event towards us; `epoch` is the true time, epoch ms. */
export interface FarSideParts {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly hosts: Hosts;
  readonly witness: Witness;
  readonly epoch: () => number;
  readonly post: (provider: string, event: ProviderEvent) => void;
  /** Why it cannot carry a message at all; null for nearly all. */
  readonly unfit: (provider: string, message: string) => Unsupported | null;
}

/** Opens an account there. */
export function createFarSide(plan: ProviderPlan, parts: FarSideParts): FarSide {
  const { clock, dice, hosts, witness } = parts;
  const { name } = plan;
  let behaviour = goodDay;
  let backlog: Held[] = [];
  let events = 0;
  const seen = new Map<string, string>();
  const known = new Map<string, ProviderEvent[]>();
  // Requests it has got and not worked on: of these it cannot say anything yet.
  const underWay = new Set<string>();

  function tell(message: string, recipient: string, type: EventType, permanent: boolean): void {
    events += 1;
    const event: ProviderEvent = {
      id: `${name}-${events}`,
      type,
      at: parts.epoch(),
      messageId: message,
      providerMessageId: `${name}-${message}`,
      recipient,
      permanent,
      detail: '',
    };
    known.get(message)?.push(event);
    witness.said(name, event);
    parts.post(name, event);
  }

  function sendOut(message: string, recipient: string, hurry = 1): void {
    const host = hosts.of(recipient);
    const fate = dice.uniform();
    const silent = dice.uniform() < 0.03;
    const after = delayMs(host, dice) * behaviour.slowness * hurry;
    const arrive = () => {
      if (host.downUntil > clock.now()) {
        if (!silent && plan.tellsDeferrals) tell(message, recipient, 'deferred', false);
        clock.plan(null, host.downUntil + 60_000 * dice.uniform(), arrive);
        return;
      }
      if (fate < 0.015) {
        if (!silent) tell(message, recipient, 'bounced', fate < 0.004);
        return;
      }
      witness.arrived(name, message, recipient, clock.now());
      if (silent) return;
      tell(message, recipient, 'delivered', false);
      if (fate > 0.8)
        clock.plan(null, clock.now() + dice.exponential(120_000), () =>
          tell(message, recipient, fate > 0.999 ? 'complained' : 'opened', false),
        );
    };
    clock.plan(null, clock.now() + after, arrive);
  }

  function take(message: string, recipients: readonly string[], parked: boolean): void {
    witness.took(name, message, recipients, clock.now());
    if (!known.has(message)) known.set(message, []);
    behaviour = { ...behaviour, quota: behaviour.quota - 1 };
    const swallowed = (recipient: string) =>
      parked ||
      ((behaviour.swallowsTo === null || hosts.of(recipient).group === behaviour.swallowsTo) &&
        dice.uniform() < behaviour.swallows);
    const lost = recipients.filter(swallowed);
    if (lost.length > 0) backlog.push({ message, recipients: lost });
    for (const recipient of recipients) if (!lost.includes(recipient)) sendOut(message, recipient);
  }

  function answerTo(message: string, recipients: readonly string[], key: string, timeoutMs: number) {
    const answerMs = behaviour.answerMs * Math.exp(0.4 * dice.normal());
    const befalls = dice.uniform() < behaviour.share ? behaviour.answer : 'takes';
    const answer = befalls === 'takes' && behaviour.quota <= 0 ? 'quota' : befalls;
    const { reason, retryAfterMs } = behaviour;
    const accepted: Result = {
      outcome: 'accepted',
      reason: null,
      detail: 'ok',
      providerMessageId: `${name}-${message}`,
    };
    const late: Result = { outcome: 'unknown', reason: 'timeout', detail: `no answer within ${timeoutMs} ms` };
    const doTake = (parked = false) => {
      if (plan.idempotent && seen.has(key)) return;
      seen.set(key, message);
      take(message, recipients, parked);
    };
    switch (answer) {
      case 'takes':
        if (answerMs >= timeoutMs) return { takeMs: answerMs, take: () => doTake(), ms: timeoutMs, result: late };
        return { takeMs: answerMs * 0.7, take: () => doTake(), ms: answerMs, result: accepted };
      case 'errors':
        return { ms: answerMs, result: { outcome: 'failed', reason, detail: 'it says 503' } as const };
      case 'refuses':
        return { ms: answerMs, result: { outcome: 'refused', reason, detail: 'it refuses our account' } as const };
      case 'quota':
        return {
          ms: answerMs,
          result: { outcome: 'refused', reason: 'quota_exceeded', detail: 'no quota left' } as const,
        };
      case 'parks': {
        const parked: Result = { outcome: 'parked', reason, detail: 'queued', providerMessageId: `${name}-${message}` };
        return { takeMs: answerMs * 0.7, take: () => doTake(true), ms: answerMs, result: parked };
      }
      case 'throttles': {
        const result: Result = { outcome: 'failed', reason: 'rate_limited', detail: 'it says 429', retryAfterMs };
        return { ms: answerMs, result };
      }
      case 'hangs':
        return { ms: timeoutMs, result: late };
      case 'loses the answer': {
        const result: Result = { outcome: 'unknown', reason: 'connection_lost', detail: 'reset after the body' };
        return { takeMs: answerMs * 0.7, take: () => doTake(), ms: answerMs, result };
      }
      case 'answers too late':
        return { takeMs: timeoutMs + 3_000 * dice.uniform(), take: () => doTake(), ms: timeoutMs, result: late };
      case 'is unreachable': {
        const result: Result = { outcome: 'failed', reason: 'connection_failed', detail: 'ECONNREFUSED' };
        return { ms: dice.uniform() < 0.5 ? 3 : Math.min(timeoutMs, 5_000), result };
      }
      default:
        return answer satisfies never;
    }
  }

  return {
    plan,
    behaviour: () => behaviour,
    change(to) {
      behaviour = { ...behaviour, ...to };
    },
    flush() {
      const held = backlog;
      backlog = [];
      for (const { message, recipients } of held)
        for (const recipient of recipients) sendOut(message, recipient, 1 + 20 * dice.uniform());
    },
    kept: () => backlog.length,
    adapterFor(process) {
      const later = <T>(ms: number, value: () => T) =>
        new Promise<T>((resolve) => clock.plan(process, clock.now() + ms, () => resolve(value())));
      return {
        name,
        type: 'simulated',
        traits: { confirmsDelivery: plan.confirms, idempotent: plan.idempotent, maxBytes: null },
        unsupported: (mail) => parts.unfit(name, mail.id),
        send(mail, { timeoutMs, idempotencyKey }) {
          witness.wired(name, mail.id, clock.now());
          const {
            takeMs,
            take: doTake,
            ms,
            result,
          } = {
            takeMs: 0,
            take: null,
            ...answerTo(mail.id, mail.recipients, idempotencyKey, timeoutMs),
          };
          if (doTake) {
            underWay.add(mail.id);
            clock.plan(null, clock.now() + takeMs, () => {
              underWay.delete(mail.id);
              doTake();
            });
          }
          return later(ms, () => {
            witness.answered(name, mail.id, result);
            return result;
          });
        },
        ...(plan.tellsAccount && {
          account: () => {
            const { account, quota } = behaviour;
            const status = account === 'active' && quota <= 0 ? 'limited' : account;
            return later(50 + 200 * dice.uniform(), () => ({
              status,
              quotaRemaining: null,
              detail: `it says ${status}`,
            }));
          },
        }),
        ...(plan.canBeAsked && {
          lookUp: ({ messageId }) => {
            const fails = behaviour.asked === 'fails';
            return later(100 + 300 * dice.uniform(), () => {
              const events = known.get(messageId);
              if (fails) return { kind: 'unknown', detail: 'it cannot say' };
              if (underWay.has(messageId)) return { kind: 'unknown', detail: 'not yet' };
              if (!events) return { kind: 'absent' };
              return { kind: 'found', events: [...events], providerMessageId: `${name}-${messageId}` };
            });
          },
        }),
        close: async () => {},
      };
    },
  };
}
