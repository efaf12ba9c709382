// Whatever the order in which a message's story is told, and however often each part of it: the end is the same.
//
// MAILOVER_HISTORIES: how many, 2,000 by default, from MAILOVER_SEED on; a failure names its own.
import { expect, test } from 'vitest';
import { type Flow, type RecipientStatus, type Status, statusOf } from '../../src/core/message.ts';
import { now, rankOf, reached } from '../core/message.cases.ts';
import { createRandom } from '../support/random.ts';
import { seed as firstSeed } from '../support/seed.ts';
import type { Word } from './golden.ts';
import { type History, historyOf, tell, vocabulary } from './history.ts';
import { read } from './reading.ts';

const histories = Number(process.env.MAILOVER_HISTORIES ?? 2_000);

const tellings = 6;

/** Not told but looked up: each reader stands where the furthest of all that was said has taken them. */
function expectedOf({ settled, events }: History): RecipientStatus[] {
  return settled.map((start, at) =>
    events
      .flatMap(({ event }) => (event.recipient === at ? (reached[event.type] ?? []) : []))
      .reduce((furthest, status) => (rankOf(status) > rankOf(furthest) ? status : furthest), start),
  );
}

const outcomesOf = ({ attempts }: Flow) => attempts.map(({ outcome, reason }) => [outcome, reason]);

function speaksOfUs({ from, say }: Word): boolean {
  const about = { id: 'em_01k0000000000000000000000a', theirs: 'theirs', readers: ['ada@example.com'] } as const;
  const said = read(from, say(about), now, 1);
  return said.some(({ messageId, providerMessageId }) => messageId === about.id || providerMessageId === about.theirs);
}

test(`${histories} histories end the same in every order`, { timeout: 300_000 }, () => {
  const ends = new Map<Status, number>();
  const files = new Set<string>();
  let events = 0;
  for (let seed = firstSeed; seed < firstSeed + histories; seed += 1) {
    const history = historyOf(seed);
    const random = createRandom(seed + 1);
    const named = `MAILOVER_SEED=${seed} MAILOVER_HISTORIES=1`;

    const first = tell(history, random);
    const status = statusOf(first, null, now);
    expect(first.recipients, named).toEqual(expectedOf(history));
    for (let again = 1; again < tellings; again += 1) {
      const flow = tell(history, random);
      expect(flow.recipients, named).toEqual(first.recipients);
      expect(flow.events, named).toEqual(first.events);
      expect(outcomesOf(flow), named).toEqual(outcomesOf(first));
      expect(statusOf(flow, null, now), named).toBe(status);
    }
    // With some of it lost everybody stands where the rest has taken them, the same in every order.
    const less = { ...history, events: history.events.filter(() => random() < 0.5) };
    expect(tell(less, random).recipients, named).toEqual(expectedOf(less));

    ends.set(status, (ends.get(status) ?? 0) + 1);
    events += history.events.length;
    for (const { file } of history.events) files.add(file);
  }
  const counts = [...ends].map(([status, count]) => `${status} ${count}`).join(', ');
  process.stdout.write(
    `${histories} histories from seed ${firstSeed}, each told ${tellings} times: ${events} events from ${files.size} payloads; ${counts}\n`,
  );
  if (histories < 1_000) return;
  // It was about something: every payload that speaks of a message of ours, and every end but those of a schedule and a cancel.
  const ofOurs = vocabulary.filter(speaksOfUs).map(({ from, file }) => `${from}/${file}`);
  expect(ofOurs.length).toBeGreaterThan(100);
  expect([...files].sort()).toEqual(ofOurs.sort());
  const met = ['queued', 'sent', 'delivered', 'bounced', 'complained', 'failed', 'expired', 'suppressed', 'held'];
  expect([...ends.keys()].sort()).toEqual(met.sort());
});
