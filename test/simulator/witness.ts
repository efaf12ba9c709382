// What really happened, beside what the service wrote down; and the trace by which two runs are compared.
import type { ProviderEvent, Result } from '../../providers/provider.ts';
import type { Health, HealthState } from '../../src/core/health.ts';
import { openAttempt } from '../../src/core/message.ts';
import type { Change, Message } from '../../src/store/messages.ts';
import type { World } from '../../src/store/world.ts';
import type { Clock } from './clock.ts';
import type { Witness } from './provider.ts';
import type { Plan } from './scenario.ts';
import type { Records, Watcher } from './store/records.ts';
import type { SignsShelf } from './store/signs.ts';

/** What became of one message, in truth. Times are ms of virtual time. */
export interface Fate {
  readonly id: string;
  readonly createdAt: number;
  readonly dueAt: number;
  answeredAt: number | null;
  cancelledAt: number | null;
  resends: number;
  rescues: number;
  /** Copies that providers have taken, by recipient. */
  readonly copies: { provider: string; recipients: readonly string[]; at: number }[];
  readonly arrivals: { provider: string; recipient: string; at: number }[];
  readonly begun: { provider: string; at: number; token: string; probe: boolean }[];
  readonly wires: Map<string, number>;
  /** Numbers of attempts that were ever recorded as uncertain or parked. */
  readonly doubts: Set<number>;
  readonly lapsed: Set<number>;
  takenAt: number | null;
}

/** A change of a provider's health. */
export interface Turn {
  readonly at: number;
  readonly provider: string;
  readonly from: HealthState;
  readonly to: Health;
}

/** All that was seen in a run. */
export interface Seen {
  readonly fates: ReadonlyMap<string, Fate>;
  readonly turns: readonly Turn[];
  readonly incidents: {
    readonly at: number;
    readonly provider: string | null;
    readonly cause: string;
    readonly kind: string;
  }[];
  readonly findings: { readonly at: number; readonly provider: string; readonly kind: string }[];
  readonly messages: ReadonlyMap<string, Message>;
  readonly signs: SignsShelf;
  readonly plan: Plan;
  /** Epoch ms of the beginning. */
  readonly base: number;
  readonly endedAt: number;
}

/** Collects it. */
export interface Notes extends Witness, Watcher {
  readonly fates: Map<string, Fate>;
  readonly turns: Turn[];
  readonly incidents: { at: number; provider: string | null; cause: string; kind: string }[];
  readonly findings: { at: number; provider: string; kind: string }[];
  readonly faults: string[];
  readonly lines: string[];
  fault(words: string): void;
  worldChanged(before: World, after: World): void;
  hash(): string;
}

/** @param keep whether the lines of the trace are kept, and not only their hash. */
export function createNotes(clock: Clock, records: Records, wallOf: () => number, keep: boolean): Notes {
  const fates = new Map<string, Fate>();
  const turns: Turn[] = [];
  const faults: string[] = [];
  const lines: string[] = [];
  let a = 0x811c9dc5;
  let b = 0x9747b28c;

  function line(...words: (string | number)[]): void {
    const text = `${clock.now().toFixed(2)} ${words.join(' ')}`;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x85ebca6b);
    }
    if (keep) lines.push(text);
  }
  function fault(words: string): void {
    line('FAULT', words);
    if (faults.length < 20) faults.push(`at ${(clock.now() / 1_000).toFixed(1)} s: ${words}`);
  }
  const fateOf = (id: string) => fates.get(id)!;

  return {
    fates,
    turns,
    incidents: [],
    findings: [],
    faults,
    lines,
    line,
    fault,
    hash: () => (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0'),

    worldChanged(before, after) {
      for (const [provider, to] of after.health) {
        const from = before.health.get(provider);
        if (!from || from === to) continue;
        turns.push({ at: clock.now(), provider, from: from.state, to });
        line('world', provider, from.state, to.state, to.reason);
      }
    },

    accepted(message) {
      const dueInMs = message.scheduledAt === null ? 0 : message.scheduledAt - wallOf();
      fates.set(message.id, {
        id: message.id,
        createdAt: clock.now(),
        dueAt: clock.now() + Math.max(0, dueInMs),
        answeredAt: null,
        cancelledAt: null,
        resends: 0,
        rescues: 0,
        copies: [],
        arrivals: [],
        begun: [],
        wires: new Map(),
        doubts: new Set(),
        lapsed: new Set(),
        takenAt: null,
      });
      line('accepted', message.id, message.stream);
    },

    begun(message, provider, token, probe) {
      const fate = fateOf(message.id);
      fate.begun.push({ provider, at: clock.now(), token, probe });
      line('begun', message.id, provider, probe ? 'probe' : '');
      const { flow } = message;
      if (flow.attempts.filter(({ outcome }) => outcome === null).length !== 1)
        fault(`${message.id} has more than one open attempt`);
      if (records.world.health.get(provider)?.state === 'quarantined')
        fault(`${message.id} begins at ${provider}, which is quarantined`);
      const open = openAttempt(flow);
      if (open && open.startedAt >= message.expiresAt) fault(`${message.id} begins after it has expired`);
      if (fate.cancelledAt !== null) fault(`${message.id} begins after it was cancelled`);
      if (flow.takenBack?.includes(provider))
        fault(`${message.id} goes back to ${provider}, from which it was rescued`);
    },

    saved(before: Message, after: Message, change: Change) {
      const fate = fateOf(after.id);
      if (before.status !== after.status) line('status', after.id, after.status);
      if (after.flow.attempts.filter(({ outcome }) => outcome === null).length > 1)
        fault(`${after.id} has more than one open attempt`);
      for (const { number, left, reason } of after.flow.attempts) {
        if (left === 'unknown' || left === 'parked') fate.doubts.add(number);
        if (reason === 'worker_crashed') fate.lapsed.add(number);
      }
      const rescuedNow = (after.flow.takenBack?.length ?? 0) - (before.flow.takenBack?.length ?? 0);
      if (rescuedNow !== 0) {
        fate.rescues += 1;
        line('taken back', after.id, after.flow.takenBack?.join(',') ?? '', after.flow.end?.status ?? 'queued');
        if (rescuedNow < 0 || fate.rescues > 1) fault(`${after.id} was rescued more than once`);
      }
      const anew = after.flow.round > before.flow.round;
      for (const [index, was] of before.flow.recipients.entries()) {
        const is = after.flow.recipients[index]!;
        if (was === is) continue;
        const settled = was === 'delivered' || was === 'bounced' || was === 'complained';
        if (settled && (is === 'pending' || is === 'sent' || is === 'rejected' || is === 'suppressed'))
          fault(`recipient ${index} of ${after.id} was ${was} and is ${is}`);
        if (is === 'pending' && was === 'sent' && rescuedNow !== 1)
          fault(`recipient ${index} of ${after.id} went from sent to pending without a rescue`);
        if (is === 'pending' && (was === 'rejected' || was === 'suppressed') && !anew)
          fault(`recipient ${index} of ${after.id} went from ${was} to pending without a new round`);
      }
      if (fate.takenAt === null && after.flow.provider !== null) fate.takenAt = clock.now();
      void change;
    },

    wired(provider, message, at) {
      const fate = fateOf(message);
      const stored = records.messages.get(message)!;
      line('wire', message, provider);
      if (fate.wires.size > 0 && fate.lapsed.size === 0) fault(`${message} is on the wire twice at the same time`);
      fate.wires.set(provider, at);
      if (wallOf() > stored.expiresAt + 5_000) fault(`${message} is handed over after it has expired`);
    },

    answered(provider, message, result) {
      fateOf(message).wires.delete(provider);
      line('answer', message, provider, result.outcome, result.reason ?? '');
    },

    took(provider, message, recipients, at) {
      const fate = fateOf(message);
      const stored = records.messages.get(message)!;
      line('took', message, provider, recipients.length);
      const again = fate.copies.some((copy) => copy.recipients.some((one) => recipients.includes(one)));
      fate.copies.push({ provider, recipients, at });
      if (again && !stored.flow.possibleDuplicate)
        fault(`${message} is taken again, by ${provider}, and does not say possible_duplicate`);
      for (const recipient of recipients) {
        const copies = fate.copies.filter((copy) => copy.recipients.includes(recipient)).length;
        const causes = fate.doubts.size + fate.rescues + (fate.lapsed.size > 0 ? 1 : 0);
        if (copies > 1 + causes) fault(`${message} has ${copies} copies for one recipient, and ${causes} causes`);
      }
    },

    arrived(provider, message, recipient, at) {
      fateOf(message).arrivals.push({ provider, recipient, at });
      line('arrived', message, provider);
    },

    said(provider, event: ProviderEvent) {
      line('said', provider, event.type, event.messageId ?? '');
    },
  };
}

/** The words of a result. */
export const wordsOf = ({ outcome, reason }: Result) => `${outcome}${reason === null ? '' : ` (${reason})`}`;
