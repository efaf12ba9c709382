// How long until a partial loss is seen: a share of all mail, or all mail to one host, that another provider reaches.

import { put } from './detection.ts';
import { createDice } from './dice.ts';
import { createLine } from './line.ts';
import { learnedPast } from './past.ts';
import { createRecipients } from './recipients.ts';
import { createPace, type Message, messages } from './stream.ts';
import { median, quantile, table } from './table.ts';
import { createWatch, usualSettings, watchedOf } from './watch.ts';

const secondMs = 1000;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const pastMs = 4 * hourMs;
const watchMs = hourMs;
const soonMs = 10 * minuteMs;
const tickMs = 2 * secondMs;
const criticalShare = 0.4;

/** What is lost, from all mail or from one group's, and how much mail the second provider has of its own. */
export interface PartialSettings {
  readonly perMinute: number;
  readonly share: number;
  readonly group: string | null;
  readonly standbyPerMinute: number;
  readonly fronts: boolean;
}

/** One seed: ms from the beginning of the loss, Infinity: not within an hour. */
export interface Found {
  readonly suspectMs: number;
  readonly downMs: number;
  /** When the host's own delay was blamed instead. */
  readonly hostBlamedMs: number;
  readonly kind: string;
}

/** One loss at a random time of day. */
export function partialOne(seed: number, settings: PartialSettings): Found {
  const { perMinute, share, group, standbyPerMinute, fronts } = settings;
  const dice = createDice(seed, 4);
  const recipients = createRecipients(seed);
  const paces = [createPace(seed), createPace(seed + 1_000_000)] as const;
  const begin = Math.floor((20 + dice.uniform()) * 1440) * minuteMs;
  const from = begin - pastMs;
  const past = (pace: (at: number) => number, rate: number) =>
    learnedPast(recipients, pace, rate, from, seed, { days: 3, atMost: 20_000 });
  const learned = past(paces[0], perMinute);
  const first = watchedOf('first', createLine(), learned, true);
  const standby = watchedOf(
    'standby',
    createLine(),
    standbyPerMinute > 0 ? past(paces[1], standbyPerMinute) : { ...learned, taken: {}, heard: {} },
    true,
  );
  let suspectMs = Infinity;
  let downMs = Infinity;
  let hostBlamedMs = Infinity;
  let kind = '';
  const watch = createWatch({
    watched: [first, standby],
    settings: usualSettings,
    tickMs,
    curveEveryMs: 10 * secondMs,
    fronts,
    doorOpen: () => true,
    changed({ at, provider, to, finding }) {
      if (provider !== 'first' || at < begin) return;
      if (to.state === 'suspect' && suspectMs === Infinity) {
        suspectMs = at - begin;
        kind = finding?.kind ?? '';
      }
      if (to.state === 'down') downMs = Math.min(downMs, at - begin);
    },
  });
  const lots = createDice(seed, 6);
  const losing = createDice(seed, 7);
  const source = messages(recipients, paces[0], perMinute, from, createDice(seed, 5));
  const other = messages(recipients, paces[1], Math.max(standbyPerMinute, 1e-6), from, createDice(seed, 8));
  let next = source.next().value as Message;
  let own = other.next().value as Message;
  for (let now = from; now < begin + watchMs && downMs === Infinity; now += tickMs) {
    for (; next.at <= now; next = source.next().value as Message) {
      const to = watch.route(next.at, lots.uniform() < criticalShare, lots.uniform());
      const hit = next.at >= begin && (group === null || next.to.group === group) && losing.uniform() < share;
      put(to.line, next, to.health.epoch, to === first && hit);
    }
    for (; own.at <= now; own = other.next().value as Message) put(standby.line, own, standby.health.epoch, false);
    first.line.hearUntil(now);
    standby.line.hearUntil(now);
    if (now < begin) {
      if (fronts && now > from + hourMs) watch.looked(now, tickMs / 500);
      continue;
    }
    watch.tick(now);
    if (first.finding!.kind === 'recipient_delay') hostBlamedMs = Math.min(hostBlamedMs, now - begin);
  }
  return { suspectMs, downMs, hostBlamedMs, kind };
}

/** `partial --seeds 200 --from 1 --rate 100 --cases 0,1 --fronts yes`: prints the table. */
export function partial(options: ReadonlyMap<string, string>): void {
  const seeds = Number(options.get('seeds') ?? 200);
  const from = Number(options.get('from') ?? 1);
  const perMinute = Number(options.get('rate') ?? 100);
  const fronts = options.get('fronts') !== 'no';
  const cases: [string, Omit<PartialSettings, 'perMinute' | 'fronts'>][] = [
    ['30 % of all', { share: 0.3, group: null, standbyPerMinute: 0 }],
    ['google, standby 100/min', { share: 1, group: 'google', standbyPerMinute: 100 }],
    ['google, standby 10/min', { share: 1, group: 'google', standbyPerMinute: 10 }],
    ['google, cold standby', { share: 1, group: 'google', standbyPerMinute: 0 }],
    ['10 % of all', { share: 0.1, group: null, standbyPerMinute: 0 }],
  ];
  console.log(`partial loss at ${perMinute} a minute: seeds ${from} to ${from + seeds - 1}`);
  const chosen = (options.get('cases') ?? '0,1,2,3,4').split(',').map(Number);
  const rows = chosen
    .map((at) => cases[at]!)
    .map(([name, settings]) => {
      const runs = Array.from({ length: seeds }, (_, at) => partialOne(from + at, { perMinute, fronts, ...settings }));
      const seconds = (of: (run: Found) => number) =>
        `${(median(runs.map(of)) / secondMs).toFixed(0)} / ${(quantile(runs.map(of), 0.95) / secondMs).toFixed(0)}`;
      const within = (of: (run: Found) => number, ms: number) =>
        `${((100 * runs.filter((run) => of(run) <= ms).length) / seeds).toFixed(1)} %`;
      const kinds = [...new Set(runs.map(({ kind }) => kind))].map(
        (kind) => `${kind || 'none'} ${runs.filter((run) => run.kind === kind).length}`,
      );
      return [
        name,
        within((run) => run.suspectMs, soonMs),
        within((run) => run.suspectMs, watchMs),
        seconds((run) => run.suspectMs),
        within((run) => run.downMs, soonMs),
        seconds((run) => run.downMs),
        within((run) => run.hostBlamedMs, soonMs),
        kinds.join(', '),
      ];
    });
  console.log(
    table(
      [
        'lost',
        'suspect in 10 min',
        'in an hour',
        'suspect, s',
        'incident in 10 min',
        'incident, s',
        'host blamed in 10 min',
        'found as',
      ],
      rows,
    ),
  );
}
