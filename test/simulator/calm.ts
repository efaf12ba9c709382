// Sparing the monitor work that can come to nothing: while no finding can reach even a low score, the last one stands.
//
// Bounds, not guesses: every silent message counts in full, as old as it will be at the horizon, in its most telling mailbox group and with
// no limit per group. With `doubt` each of them is held against what the core really finds.
import { ageAt, type Curve, curvesOf, heardWithin, type Learned } from '../../src/core/curve.ts';
import { delayBin } from '../../src/core/delays.ts';
import type { FindingKind } from '../../src/core/findings.ts';
import type { Health } from '../../src/core/health.ts';
import type { Heard, Listener } from '../../src/monitor/listen.ts';
import type { Clock } from './clock.ts';
import type { Records } from './store/records.ts';
import type { Shelf } from './store/shelf.ts';
import { reading, type Signs, type SignsShelf } from './store/signs.ts';

// From three on, others are compared with it and it is asked; below, nothing follows.
const suspiciousFrom = 3;
const lowScore = 2.9;
const keptMs = 3.5 * 3_600_000;
const steps = 100;
const horizons = [20_000, 8_000, 3_000];
// A message is younger than its cell's middle says by no more than this.
const secondsForMs = 110_000;
const widthMs = (ageMs: number) => (ageMs > secondsForMs ? 31_000 : 600);
const tablesEveryMs = 300_000;
// A listener that has not looked for five seconds takes it that its machine stood still, and judges nothing of before.
const sparedMs = 2_000;
const loud: readonly FindingKind[] = ['silent', 'partial', 'slow', 'feedback_lost', 'recipient_delay'];
const restedStates: readonly Health['state'][] = ['down', 'suspended', 'quarantined'];

interface Tables {
  readonly at: number;
  /** Decades of a silent message by age, for a loss of all, of 60 % and of 25 %. */
  readonly by: Readonly<Record<'all' | 'most' | 'some', readonly number[]>>;
  readonly inTimeMs: number;
  readonly lateSays: number;
}

/** The ways to be calm. */
export interface Calm {
  wrap(listener: Listener): Listener;
  /** Has the last look been spared? */
  isCalm(): boolean;
  /** Ages are wrong for a while. */
  jumped(): void;
  /** How often the real listener has listened. */
  looks(): number;
}

/**
 * @param confirms the providers that confirm deliveries.
 * @param doubt spares nothing, and is told wherever something would have been missed; null to spare.
 */
export function createCalm(
  clock: Clock,
  shelf: Shelf,
  records: Records,
  signs: SignsShelf,
  confirms: readonly string[],
  doorIsFine: () => boolean,
  doubt: ((words: string) => void) | null,
): Calm {
  const tables = new Map<string, Tables>();
  const spared = new Map<string, { until: number; taken: number; most: number }>();
  let calm = false;
  let looks = 0;
  let notBefore = 0;
  let lookedAt = Number.NEGATIVE_INFINITY;

  const index = (ageMs: number) => Math.min(steps - 1, Math.max(0, Math.ceil(6 * Math.log2(Math.max(ageMs, 1) / 250))));

  function tablesFor(provider: string, now: number): Tables | null {
    const known = tables.get(provider);
    if (known && now - known.at < tablesEveryMs) return known;
    const its = signs.of(provider);
    if (its.curve === null) return null;
    const curves = curvesOf(JSON.parse(its.curve) as Learned, reading(its, now).minutes, now, now);
    const all: Curve[] = [curves.all, ...curves.byClass.values()];
    const heard = (ageMs: number) => Math.min(0.99, Math.max(...all.map((curve) => heardWithin(curve, ageMs))) + 0.005);
    const table = (lost: number) =>
      Array.from({ length: steps }, (_, at) => {
        const share = heard(250 * 2 ** (at / 6));
        return Math.log10((1 - (1 - lost) * share) / (1 - share));
      });
    const inTimeMs = Math.min(1_800_000, Math.max(60_000, ageAt(curves.all, 0.9)));
    const usual = heard(inTimeMs * 0.8);
    const made: Tables = {
      at: now,
      by: { all: table(1), most: table(0.6), some: table(0.25) },
      inTimeMs,
      lateSays: Math.log10((1 - usual / 2) / (1 - usual)),
    };
    tables.set(provider, made);
    return made;
  }

  /** The most that any finding can score until `now + aheadMs`, if nothing more is taken. */
  function bound(
    its: Signs,
    { by, inTimeMs, lateSays }: Tables,
    floorAt: number,
    now: number,
    aheadMs: number,
  ): number {
    const lastBin = delayBin(inTimeMs) - 1;
    let worst = 0;
    let total = 0;
    let most = 0;
    let some = 0;
    let late = 0;
    let heardOne = false;
    const groups = new Map<string, number>();
    const oldest = now - keptMs - 60_000;
    for (let at = its.taken.length - 1; at >= 0; at--) {
      const { at: takenAt, group, heardMs } = its.taken[at]!;
      if (takenAt < oldest || takenAt < floorAt - 60_000) break;
      const ageMs = now + aheadMs - takenAt + widthMs(now - takenAt);
      if (heardMs === null) {
        const third = index(ageMs / 3);
        if (!heardOne) total += by.all[index(ageMs)]!;
        most += by.most[third]!;
        some += by.some[third]!;
        const sum = groups.get(group) ?? 0;
        if (sum >= 0) groups.set(group, sum + by.all[third]!);
      } else {
        heardOne = true;
        most -= 0.397;
        some -= 0.124;
        const sum = groups.get(group) ?? 0;
        if (sum >= 0) {
          if (sum > worst) worst = sum;
          groups.set(group, -1);
        }
      }
      if (ageMs >= inTimeMs) late += heardMs === null || delayBin(heardMs) > lastBin ? lateSays : -0.3;
      worst = Math.max(worst, most, some, late);
    }
    for (const sum of groups.values()) worst = Math.max(worst, sum);
    return Math.max(worst, total);
  }

  function isCalmAt(provider: string, health: Health, now: number): boolean {
    const its = signs.of(provider);
    const before = spared.get(provider);
    if (before && now < before.until && its.taken.length - before.taken <= before.most) return true;
    const known =
      tablesFor(provider, now) ?? confirms.map((other) => tablesFor(other, now)).find((one) => one !== null);
    if (!known) return its.taken.length === 0;
    const floorAt = health.epoch > 1 ? health.since : 0;
    for (const aheadMs of horizons) {
      const score = bound(its, known, floorAt, now, aheadMs);
      const each = known.by.all[index(aheadMs + 600)]!;
      const left = Math.floor((lowScore - score) / each);
      if (left >= 1) {
        spared.set(provider, { until: now + aheadMs, taken: its.taken.length, most: left });
        return true;
      }
    }
    return false;
  }

  function allCalm(health: ReadonlyMap<string, Health>, last: ReadonlyMap<string, Heard>): boolean {
    if (clock.now() < notBefore || !doorIsFine()) return false;
    const guard = signs.guard?.guard;
    if (!guard || Object.keys(guard.lost).length > 0) return false;
    const now = shelf.time();
    for (const [name, its] of health) {
      const heard = last.get(name);
      if (!heard || heard.epoch !== its.epoch) return false;
      if (restedStates.includes(its.state) || !confirms.includes(name)) continue;
      if (its.state !== 'up' || heard.finding.score >= lowScore) return false;
      if (now - (signs.of(name).polled ?? 0) < 16 * 60_000) return false;
      if (!isCalmAt(name, its, now)) return false;
    }
    return true;
  }

  return {
    isCalm: () => calm,
    looks: () => looks,
    jumped() {
      notBefore = clock.now() + 600_000;
      spared.clear();
    },
    wrap(listener) {
      let last: ReadonlyMap<string, Heard> = new Map();
      return {
        async listen(health) {
          calm = records.world.health === health && allCalm(health, last);
          if (calm && doubt) {
            looks += 1;
            const real = await listener.listen(health);
            for (const [name, { finding }] of real) {
              const rests = restedStates.includes(health.get(name)!.state);
              if (!rests && (finding.score >= suspiciousFrom || loud.includes(finding.kind)))
                doubt(`calm, and ${name} is ${finding.kind} with ${finding.score.toFixed(1)}: ${finding.detail}`);
            }
            return real;
          }
          if (calm && clock.now() - lookedAt < sparedMs) {
            const now = shelf.time();
            if (signs.guard) signs.guard = { ...signs.guard, judgedAt: now };
            const all = [...last].map(([name, heard]) => {
              const counts = signs.of(name).tally.get(heard.epoch) ?? { taken: 0, confirmed: 0 };
              return [name, { ...heard, tally: heard.tally && { ...counts } }] as const;
            });
            return new Map(all);
          }
          looks += 1;
          lookedAt = clock.now();
          last = await listener.listen(health);
          return last;
        },
        reset() {
          last = new Map();
          listener.reset();
        },
      };
    },
  };
}
