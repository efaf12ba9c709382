// Does news reach us? When it does not, everyone looks silent, and nobody is to blame for it. Pure.
import { ageAt } from './curve.ts';
import { type Weighed, within } from './reading.ts';

/** The last probes of our own webhook path through the public address; null where none is set. `failedAt` counts repeated failures only. */
export interface Ingress {
  readonly okAt: number | null;
  readonly failedAt: number | null;
}

/** What must outlive the monitor that found it. Plain data. */
export interface Guard {
  /** Nothing accepted before this is evidence: our clock jumped, or we were away ourselves. */
  readonly floorAt: number;
  /** The same for one provider: its webhooks did not reach us until then. */
  readonly floors: Readonly<Record<string, number>>;
  /** Providers whose webhooks do not reach us, since when, and whether nobody's do. */
  readonly lost: Readonly<Record<string, { readonly since: number; readonly all: boolean }>>;
  /** Providers that were quiet while no news of any kind reached us: when that was last so, and what had been heard of them by then. */
  readonly doubts: Readonly<Record<string, { readonly at: number; readonly heardAt: number | null }>>;
  /** Is our own door known to be shut? */
  readonly shut: boolean;
}

/** A guard that holds nothing back. */
export const noGuard: Guard = { floorAt: 0, floors: {}, lost: {}, doubts: {}, shut: false };

/** A score from which a provider is quiet, too, in decades. */
export const quietToo = 3;
// Asking finds a delivery now and then whose webhook was lost; several messages must be missing theirs.
const untold = 5;
// One that is new to the mail is measured by another one's curve: it gets more time.
const strangersMs = 10_000;
const strangersTimes = 4;
const polledLatelyMs = 15 * 60_000;
const webhookGapMs = 60_000;
// What was held back while nothing reached us comes within minutes of the first news, and not in order.
const graceMs = 10 * 60_000;

/** The guard after a look: who is not heard of because news does not reach us, and who is again. */
export function guardAfter(
  weighed: ReadonlyMap<string, Weighed>,
  guard: Guard,
  ingress: Ingress | null,
  now: number,
): Guard {
  const lost: Record<string, { since: number; all: boolean }> = {};
  const doubts: Record<string, { at: number; heardAt: number | null }> = {};
  const floors: Record<string, number> = { ...guard.floors };
  const newestWebhook = Math.max(0, ...[...weighed.values()].map(({ reading }) => reading.webhookAt ?? 0));
  const failing = ingress !== null && (ingress.failedAt ?? 0) > (ingress.okAt ?? 0);
  // A probe may fail for reasons of its own while webhooks go on coming.
  const shut = failing && !within(newestWebhook, ingress.okAt ?? 0, now);
  const quiet = [...weighed.values()].filter((one) => isQuiet(one, now));
  const quietSince = Math.min(...quiet.map(({ total }) => total.since));
  const everyoneQuiet =
    quiet.length >= 2 &&
    quiet.some(({ total, threshold }) => total.score >= threshold) &&
    !within(newestWebhook, quietSince, now) &&
    !within(ingress?.okAt ?? null, quietSince, now);
  for (const [name, one] of weighed) {
    if (!one.reading.confirms) continue;
    const before = guard.lost[name];
    if (guard.shut && !shut) floors[name] = now;
    const unheard = !within(newestWebhook, one.total.since, now);
    const all = ((failing && unheard) || everyoneQuiet) && isQuiet(one, now);
    const byAsking = !all && isUntold(one, now);
    if (all || byAsking) lost[name] = before ?? { since: now, all };
    else if (before) {
      const cameBack = before.all
        ? newestWebhook > before.since || (ingress?.okAt ?? 0) > before.since
        : (one.reading.webhookAt ?? 0) > before.since;
      if (cameBack) floors[name] = now;
      else lost[name] = before;
    }
    if (floors[name] === now) continue;
    // Where we cannot probe our own door, what was silent while nothing came is in doubt until it has been open for as long.
    const doubt = guard.doubts[name];
    const { newestHeardAt } = one.reading;
    if (ingress === null && unheard && isQuiet(one, now)) doubts[name] = { at: now, heardAt: newestHeardAt };
    else if (doubt && now - doubt.at < graceMs) {
      if ((newestHeardAt ?? 0) > (doubt.heardAt ?? 0)) floors[name] = now;
      else doubts[name] = doubt;
    }
  }
  return { ...guard, floors, lost, doubts, shut };
}

/** Has news reached us since that doubt for as long as it had not, in a silence since `since`? Times in epoch ms. */
export function isSettled(guard: Guard, name: string, since: number, now: number): boolean {
  const doubt = guard.doubts[name];
  return doubt === undefined || now - doubt.at >= doubt.at - since;
}

function isQuiet({ total, curves, learned, reading }: Weighed, now: number): boolean {
  if (curves === null || total.score < quietToo) return false;
  const usualMs = ageAt(curves.all, 0.95);
  const patience = learned ? usualMs + reading.frontMs : Math.max(strangersMs, strangersTimes * usualMs);
  return now - total.since >= patience;
}

// It says that mail was delivered when we ask, and tells nothing by itself.
function isUntold({ reading, cells, curves }: Weighed, now: number): boolean {
  const { polledAt, webhookAt } = reading;
  if (polledAt === null || curves === null || polledAt < now - polledLatelyMs) return false;
  const saidUntil = webhookAt ?? 0;
  if (polledAt < saidUntil + webhookGapMs) return false;
  const usualMs = ageAt(curves.all, 0.9);
  const due = cells.reduce((sum, { at, taken }) => (at > saidUntil && now - at > usualMs ? sum + taken : sum), 0);
  return due >= untold;
}
