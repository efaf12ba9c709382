// How long until a total black hole is seen, beside the limit for independent messages: a table over rates.
import { groupCaps } from '../../../src/core/quiet.ts';
import { createDice } from './dice.ts';
import { createLine, type Line } from './line.ts';
import { learnedPast } from './past.ts';
import { createRecipients, trueShare } from './recipients.ts';
import { createPace, type Message, messages } from './stream.ts';
import { median, quantile, table } from './table.ts';
import { createWatch, usualSettings, watchedOf } from './watch.ts';

const secondMs = 1000;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const limitDecades = 7;
const giveUpMs = 2 * dayMs;
const pastMs = 4 * hourMs;
// Transactional mail: so much of it is critical and not used to test a silent provider.
const criticalShare = 0.4;

/** What is asked of one run. */
export interface DetectionSettings {
  readonly perMinute: number;
  readonly tickMs: number;
  readonly silenceScores: readonly number[];
  /** Does the front of the mail count, or the score alone? */
  readonly fronts: boolean;
}

/** One seed: ms from the start of the black hole; Infinity: not within two days. */
export interface Detected {
  readonly limitMs: number;
  readonly suspectMs: number;
  /** The cause of the first suspicion. */
  readonly cause: string | null;
  /** By silence score: where the provider cannot be asked, and where it can. */
  readonly incidentMs: readonly number[];
  readonly askedIncidentMs: readonly number[];
}

/** Puts a message on a line as it is. */
export function put(line: Line, { at, to, heardAt }: Message, epoch: number, lost: boolean): void {
  const signAt = lost ? Infinity : heardAt;
  line.take({ at, groupAt: to.groupAt, classAt: to.classAt, signAt, knownAt: signAt, epoch, heard: false });
}

/** One black hole at a random time of day. A cold standby stands by; our door is open; the provider can be asked. */
export function detectOne(seed: number, { perMinute, tickMs, silenceScores, fronts }: DetectionSettings): Detected {
  const dice = createDice(seed, 4);
  const recipients = createRecipients(seed);
  const pace = createPace(seed);
  const begin = Math.floor((20 + dice.uniform()) * 1440) * minuteMs;
  const from = begin - pastMs;
  const days = perMinute <= 1 ? 14 : 3;
  const learned = learnedPast(recipients, pace, perMinute, from, seed, { days, atMost: 20_000 });
  const first = watchedOf('first', createLine(), learned, true);
  const standby = watchedOf('standby', createLine(), { ...learned, taken: {}, heard: {} }, true);
  const incidentMs = silenceScores.map(() => Infinity);
  const askedIncidentMs = silenceScores.map(() => Infinity);
  let suspectMs = Infinity;
  let cause: string | null = null;
  let down = false;
  const highest = Math.max(...silenceScores);
  const settings = { ...usualSettings, silence_score: highest };
  const watch = createWatch({
    watched: [first, standby],
    settings,
    tickMs,
    fronts,
    // With so little mail the curves hardly change meanwhile.
    curveEveryMs: perMinute < 5 ? minuteMs : 10 * secondMs,
    doorOpen: () => true,
    changed({ at, provider, to }) {
      if (provider !== 'first') return;
      if (to.state === 'suspect' && suspectMs === Infinity) {
        suspectMs = at - begin;
        cause = to.cause;
      }
      if (to.state !== 'down') return;
      // However it came to it: by its score, or because its probes were silent.
      down = true;
      for (const times of [incidentMs, askedIncidentMs])
        for (const index of times.keys()) times[index] = Math.min(times[index]!, at - begin);
    },
  });
  const source = messages(recipients, pace, perMinute, from, createDice(seed, 5));
  const lots = createDice(seed, 6);
  const since: Message[] = [];
  let next = source.next().value as Message;
  const lookMs = perMinute > 50 ? secondMs : 5 * secondMs;
  for (let now = from + hourMs / 2; now <= begin; now += lookMs) {
    for (; next.at < now; next = source.next().value as Message) put(first.line, next, 1, false);
    first.line.hearUntil(now);
    if (fronts) watch.looked(now, lookMs / 500);
  }

  let limitMs = Infinity;
  const limit = (now: number) => {
    let sum = 0;
    for (let index = since.length - 1; index >= 0; index--) {
      const { at, to, pace } = since[index]!;
      sum -= Math.log10(1 - trueShare(to, pace, now - at));
    }
    return sum;
  };
  for (let now = begin + tickMs * dice.uniform(); now < begin + giveUpMs; now += tickMs) {
    for (; next.at <= now; next = source.next().value as Message) {
      if (limitMs === Infinity) since.push(next);
      const to = watch.route(next.at, lots.uniform() < criticalShare, lots.uniform());
      put(to.line, next, to.health.epoch, to === first);
    }
    first.line.hearUntil(now);
    standby.line.hearUntil(now);
    if (limitMs === Infinity && since.length >= 3 && limit(now) >= limitDecades) {
      let low = Math.max(begin, now - tickMs);
      let high = now;
      while (high - low > 1) {
        const middle = (low + high) / 2;
        if (limit(middle) >= limitDecades) high = middle;
        else low = middle;
      }
      limitMs = high - begin;
    }
    if (!down) {
      const wasSuspect = first.health.state === 'suspect';
      watch.tick(now);
      const finding = first.finding!;
      if (wasSuspect && finding.proven && (finding.kind === 'silent' || finding.kind === 'partial')) {
        const asked = (first.askedAt ?? 0) > Math.max(finding.since ?? 0, first.polledAt ?? 0);
        for (const [index, score] of silenceScores.entries()) {
          if (finding.score < finding.threshold + score - settings.suspect_score) continue;
          incidentMs[index] = Math.min(incidentMs[index]!, now - begin);
          if (asked) askedIncidentMs[index] = Math.min(askedIncidentMs[index]!, now - begin);
        }
      }
    }
    if (limitMs < Infinity && down) break;
  }
  return { limitMs, suspectMs, cause, incidentMs, askedIncidentMs };
}

/** `detection --rates 600,100 --seeds 500 --from 1 --tick 500 --scores 8.5,9,9.5,10 --named 3 --tail 2`: prints the tables. */
export function detection(options: ReadonlyMap<string, string>): void {
  const rates = (options.get('rates') ?? '600,100,20,5,1,0.1').split(',').map(Number);
  const seeds = Number(options.get('seeds') ?? 500);
  const from = Number(options.get('from') ?? 1);
  const silenceScores = (options.get('scores') ?? '8.5,9,9.5,10').split(',').map(Number);
  const fronts = options.get('fronts') !== 'no';
  const caps = groupCaps as Record<string, Record<string, number>>;
  for (const kind of ['named', 'tail']) if (options.has(kind)) caps[kind]!.unknown = Number(options.get(kind));
  console.log(
    `total black hole: seeds ${from} to ${from + seeds - 1}; caps ${JSON.stringify(groupCaps)}, fronts ${fronts ? 'count' : 'do not count'}`,
  );
  const rows = rates.map((perMinute) => {
    const started = Date.now();
    // With hardly a message a minute nothing happens between two seconds.
    const tickMs = Number(options.get('tick') ?? 500) * (perMinute < 1 ? 10 : perMinute < 5 ? 2 : 1);
    const runs = Array.from({ length: seeds }, (_, at) =>
      detectOne(from + at, { perMinute, tickMs, silenceScores, fronts }),
    );
    const seconds = (ms: number) => (ms / 1000).toFixed(1);
    const both = (values: readonly number[], words: (value: number) => string) =>
      `${words(median(values))} / ${words(quantile(values, 0.95))}`;
    const ratio = (of: (run: Detected) => number) =>
      both(
        runs.map((run) => of(run) / run.limitMs),
        (value) => value.toFixed(2),
      );
    return [
      String(perMinute),
      both(
        runs.map((run) => run.limitMs),
        seconds,
      ),
      both(
        runs.map((run) => run.suspectMs),
        seconds,
      ),
      ratio((run) => run.suspectMs),
      ...silenceScores.flatMap((_, index) => [
        ratio((run) => run.incidentMs[index]!),
        ratio((run) => run.askedIncidentMs[index]!),
      ]),
      String(runs.filter(({ cause }) => cause !== 'silence').length),
      String(runs.filter(({ incidentMs }) => incidentMs[0] === Infinity).length),
      seconds(Date.now() - started),
    ];
  });
  const heads = silenceScores.flatMap((score) => [`${score}: not asked`, `${score}: asked`]);
  console.log('each: median / 95th percentile; ratios are to the limit');
  console.log(
    table(['per minute', 'limit, s', 'suspect, s', 'ratio', ...heads, 'other cause', 'never', 'took, s'], rows),
  );
}
