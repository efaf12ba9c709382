// Admission: no mail is taken in that would wait too long, or for which the store soon has no room. Each lane has limits of its own, so that
// a flood of one of them is turned away while the others go on, critical mail the longest.
import { type Lane, lanes } from '../core/message.ts';
import type { Tails } from '../store/queue.ts';

/** The most mails of a lane that wait for a worker, and how long (ms) one may have waited already, until no more are taken in. */
export interface LaneLimits {
  readonly queue_depth: Readonly<Record<Lane, number>>;
  readonly queue_age: Readonly<Record<Lane, number>>;
}

/** What admission looks at. */
export interface AdmissionParts {
  readonly tails: Tails;
  readonly limits: LaneLimits;
  /** The share of the store's memory that is used; null where it has no limit. */
  readonly fullness: () => number | null;
  readonly clock: () => number;
  readonly log: { warn(fields: Record<string, unknown>, text: string): void };
  /** How often to look, ms; a second by default. */
  readonly everyMs?: number;
}

/** Who is let in. */
export interface Admission {
  /** Why no mail of this lane is taken in now, in words for its sender; null when it is. */
  refusing(lane: Lane): string | null;
  /** How long the lane's mail waits for a worker, at least, in ms. */
  age(lane: Lane): number;
  /** Begins to look; gives what ends it. */
  start(): () => void;
}

// Of the store's memory: what is left beyond is for the other lanes, and in the end for sending what is there.
const fullShares: Readonly<Record<Lane, number>> = { bulk: 0.7, normal: 0.75, critical: 0.8 };
const marksAtOnce = 20;

/** A mail that was the last of its lane at `at`, epoch ms. As long as nobody has taken it, the lane's mail waits that long. */
interface Mark {
  readonly job: string;
  readonly at: number;
}

/** Makes it. What a look cannot find out, because the store is away, is left as it was. */
export function createAdmission(parts: AdmissionParts): Admission {
  const { tails, limits, clock, log } = parts;
  const marks = Object.fromEntries(lanes.map((lane) => [lane, []])) as unknown as Record<Lane, Mark[]>;
  const depths: Record<Lane, number> = { critical: 0, normal: 0, bulk: 0 };
  const turnedAway = new Set<Lane>();
  let looking = false;

  async function look(lane: Lane): Promise<void> {
    const mine = marks[lane];
    const { waiting, mark } = await tails.tail(lane);
    depths[lane] = waiting;
    // The queue is taken from its other end: the oldest mark goes first.
    while (mine[0] && (await tails.taken(lane, mine[0].job, mine[0].at))) mine.shift();
    const spacing = limits.queue_age[lane] / marksAtOnce;
    const latest = mine.at(-1);
    if (mark !== null && (!latest || (latest.job !== mark && clock() - latest.at >= spacing)))
      mine.push({ job: mark, at: clock() });
    const refusing = refusal(lane);
    if (turnedAway.has(lane) !== (refusing !== null)) {
      if (refusing === null) turnedAway.delete(lane);
      else turnedAway.add(lane);
      log.warn(
        { lane, waiting, oldestMs: age(lane) },
        refusing === null ? 'mail of this lane is taken in again' : `no mail of this lane is taken in: ${refusing}`,
      );
    }
  }

  function age(lane: Lane): number {
    const [oldest] = marks[lane];
    return oldest ? Math.max(0, clock() - oldest.at) : 0;
  }

  function refusal(lane: Lane): string | null {
    const fullness = parts.fullness();
    if (fullness !== null && fullness > fullShares[lane])
      return `The store is nearly full (${Math.round(100 * fullness)} % of its memory) for ${lane} mail.`;
    if (depths[lane] >= limits.queue_depth[lane])
      return `${depths[lane]} ${lane} mails wait for a worker, as many as limits.queue_depth.${lane} allows.`;
    if (age(lane) >= limits.queue_age[lane])
      return `A ${lane} mail has waited for a worker for ${Math.round(age(lane) / 1_000)} s, as long as limits.queue_age.${lane} allows.`;
    return null;
  }

  return {
    refusing: refusal,
    age,
    start() {
      const timer = setInterval(() => {
        if (looking) return;
        looking = true;
        Promise.all(lanes.map(look))
          // The store is away: nothing is taken in anyhow.
          .catch(() => {})
          .finally(() => {
            looking = false;
          });
      }, parts.everyMs ?? 1_000);
      return () => clearInterval(timer);
    },
  };
}
