// Listening: each second the leader reads every provider's signs of life, keeps its delay curve, and finds who has gone quiet.
//
// Two clocks: the store's, by which messages are counted on all machines, and this process's own steady one, which only tells when the
// store's has jumped. What was accepted before a jump has a wrong age for the rest of its life, and is not judged.
import {
  ageAt,
  type Curves,
  curvesOf,
  fold,
  frontOf,
  type Learned,
  nothingLearned,
  sawFront,
  skip,
} from '../core/curve.ts';
import { type Guard, type Ingress, noGuard } from '../core/feedback.ts';
import { type Finding, type FindingSettings, findings } from '../core/findings.ts';
import { type Health, type HealthState, judgedFrom } from '../core/health.ts';
import type { Reading } from '../core/reading.ts';
import type { PublishedFinding, Traffic, TrafficStore } from '../store/traffic.ts';
import type { MonitorLog } from './chore.ts';

/** What listening is made of. */
export interface ListenParts {
  readonly traffic: TrafficStore;
  /** Which providers there are, whether they ever confirm a delivery, and whether they can be asked about a message. */
  readonly providers: ReadonlyMap<string, { readonly confirms: boolean; readonly canAsk: boolean }>;
  readonly settings: FindingSettings;
  /** The last probes of our own webhook path; null where no public address is set. */
  readonly ingress: () => Promise<Ingress | null>;
  /**
   * Told that a provider looks quiet: now is the time to see whether news reaches us, and to ask it about what it accepted from `from` to `to`:
   * that is missing, and most of it should have been heard of. `overdue`: so should all of it.
   */
  readonly suspicious: (provider: string, from: number, to: number, overdue: boolean) => void;
  /** Ms that never jump, from any beginning. */
  readonly steady: () => number;
  readonly log: MonitorLog;
}

/** What was heard of one provider. Times in epoch ms by the store's clock. */
export interface Heard {
  /** Of the provider's health when it was read: it says nothing about another state. */
  readonly epoch: number;
  readonly finding: Finding;
  /** Null where it never confirms. */
  readonly tally: { readonly taken: number; readonly confirmed: number } | null;
  /** From when on its mail may have been swallowed: the acceptance of the newest message that was heard of; null where none was. */
  readonly lastHeardAt: number | null;
}

/** Listens; one for each process, and only the leader's is used. */
export interface Listener {
  /** Reads and judges once. Rejects when the store is away. */
  listen(health: ReadonlyMap<string, Health>): Promise<ReadonlyMap<string, Heard>>;
  /** Forgets what this process knew: another one has led meanwhile. */
  reset(): void;
}

// What its mail comes to in these states says nothing about how it usually is.
const swallows: readonly HealthState[] = ['suspended', 'quarantined'];
// The store's clock and a steady one differ by less, however slow a reply is.
const jumpMs = 3_000;
// A machine that stands still for so long has not read its webhooks either.
const stallMs = 5_000;
// When no monitor has looked for so long the service was away, and with it the door for webhooks.
const awayMs = 30_000;
const curveEveryMs = 10_000;
const writeEveryMs = 60_000;
const guardEveryMs = 5_000;
const suspiciousFrom = 3;

interface Known {
  learned: Learned;
  curves: Curves;
  curvesAt: number;
  writtenAt: number;
}

/** Makes it. */
export function createListener(parts: ListenParts): Listener {
  const { traffic, providers, settings, log } = parts;
  const known = new Map<string, Known>();
  let guard: Guard | null = null;
  let guardAt = 0;
  let before: { readonly store: number; readonly steady: number } | null = null;

  async function guardFor(now: number): Promise<Guard> {
    const stored = guard ?? (await readGuard(now));
    const steady = parts.steady();
    const jumped = before !== null && Math.abs(now - before.store - (steady - before.steady)) > jumpMs;
    const stalled = before !== null && steady - before.steady > stallMs;
    before = { store: now, steady };
    if (stalled) log.warn({}, 'this process stood still; what was accepted before is not judged by its silence');
    if (stalled) return { ...stored, floorAt: now };
    if (!jumped) return stored;
    log.warn({}, 'the store’s clock has jumped; what was accepted before it is not judged by its silence');
    return { ...stored, floorAt: now };
  }

  async function readGuard(now: number): Promise<Guard> {
    const stored = await traffic.readGuard();
    if (stored === null) return noGuard;
    const away = now - stored.judgedAt;
    if (away < awayMs && away > -jumpMs) return { ...noGuard, ...stored.guard };
    log.info({ away_ms: away }, 'no monitor has looked for a while; silence is judged from now on');
    return { ...noGuard, ...stored.guard, floorAt: now };
  }

  async function knownOf(name: string, heard: Traffic, health: Health, lost: boolean): Promise<Known> {
    const mine = known.get(name);
    if (mine && Math.abs(heard.now - mine.curvesAt) < curveEveryMs) return mine;
    const was = mine?.learned ?? {
      ...nothingLearned,
      ...(heard.curve !== null && (JSON.parse(heard.curve) as Learned)),
    };
    const silentFrom = heard.newestHeardAt ?? heard.now;
    const quiet = lost || health.cause === 'silence' || health.cause === 'partial' || swallows.includes(health.state);
    const from = quiet ? Math.min(silentFrom, health.silentSince ?? silentFrom) : null;
    const learned = fold(skip(was, from, heard.now), heard.minutes, heard.now);
    const curves = curvesOf(learned, heard.minutes, heard.now, silentFrom);
    let writtenAt = mine?.writtenAt ?? 0;
    if (
      learned.foldedUntil !== was.foldedUntil ||
      learned.skips !== was.skips ||
      heard.now - writtenAt >= writeEveryMs
    ) {
      await traffic.writeCurve(name, JSON.stringify(learned));
      writtenAt = heard.now;
    }
    const fresh = { learned, curves, curvesAt: heard.now, writtenAt };
    known.set(name, fresh);
    return fresh;
  }

  return {
    async listen(health) {
      const [ingress, ...read] = await Promise.all([
        parts.ingress(),
        ...[...providers].map(async ([name, { confirms }]) => [name, confirms, await traffic.read(name)] as const),
      ]);
      const now = Math.max(0, ...read.map(([, , heard]) => heard.now));
      const held = await guardFor(now);
      const readings = new Map<string, Reading>();
      for (const [name, confirms, heard] of read) {
        const its = health.get(name)!;
        const mine = confirms ? await knownOf(name, heard, its, held.lost[name] !== undefined) : null;
        readings.set(name, {
          // Of what is not believed no silence is heard.
          confirms: confirms && its.state !== 'quarantined',
          curves: mine?.curves ?? null,
          frontMs: mine ? frontOf(mine.learned) : 0,
          cells: heard.cells,
          minutes: heard.minutes,
          floorAt: judgedFrom(its),
          newestHeardAt: heard.newestHeardAt,
          webhookAt: heard.webhookAt,
          polledAt: heard.polledAt,
          canAsk: providers.get(name)?.canAsk ?? false,
          askedAt: heard.askedAt,
        });
      }
      const found = findings(readings, held, ingress, settings, now);
      if (JSON.stringify(found.guard) !== JSON.stringify(guard) || now - guardAt >= guardEveryMs) {
        await traffic.writeGuard({ guard: found.guard, judgedAt: now });
        guardAt = now;
      }
      guard = found.guard;
      await traffic.publish(
        new Map(read.map(([name]) => [name, shown(found.findings.get(name)!, readings.get(name)!, now)])),
      );
      const all = new Map<string, Heard>();
      for (const [name, confirms, heard] of read) {
        const finding = found.findings.get(name)!;
        if (finding.score >= suspiciousFrom && finding.since !== null)
          parts.suspicious(name, finding.since, now - finding.tellingMs, now - finding.since > finding.usualMs);
        const { epoch, state } = health.get(name)!;
        const mine = known.get(name);
        if (mine && state === 'up' && finding.kind === 'fine' && finding.score < suspiciousFrom)
          mine.learned = sawFront(mine.learned, finding.since === null ? 0 : now - finding.since);
        const tally = confirms ? heard.tally(epoch) : null;
        all.set(name, { epoch, finding, tally, lastHeardAt: heard.newestHeardAt });
      }
      return all;
    },
    reset() {
      known.clear();
      guard = null;
      before = null;
    },
  };
}

function shown(finding: Finding, { curves }: Reading, now: number): PublishedFinding {
  const { kind, score, since, detail } = finding;
  const knows = kind !== 'learning' && curves ? curves.all : null;
  const seconds = (share: number) => (knows ? Math.round(ageAt(knows, share) / 100) / 10 : null);
  const share = knows ? Math.round(1_000 * knows.heardBy.at(-1)!) / 1_000 : null;
  return { at: now, kind, score, since, detail, share, p50: seconds(0.5), p99: seconds(0.99) };
}
