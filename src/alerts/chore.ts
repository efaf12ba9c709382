// The leading monitor's part: it looks, decides what to tell, and puts letters into the sinks' lines. Nothing here waits for a sink.
import { type AlertChange, type AlertKind, type AlertPace, decide, type SinkRule, type Told } from '../core/alert.ts';
import type { Chore } from '../monitor/chore.ts';
import type { AlertStore, StoredLetter } from '../store/alerts.ts';
import type { Alert, Letter } from './alert.ts';
import { composed, type Linked, standingIn } from './compose.ts';
import type { Look } from './look.ts';
import type { Scene } from './scene.ts';

/** What telling is made of. */
export interface TellParts {
  readonly look: Look;
  readonly store: Pick<AlertStore, 'told' | 'tell'>;
  /** `grouped`: wants alerts that come together in one letter. */
  readonly sinks: readonly (SinkRule & { readonly grouped: boolean })[];
  readonly pace: AlertPace;
  readonly mute: readonly AlertKind[];
  readonly linkOf: (about: Linked) => string | null;
  /** `alr_…`, sorts by time. */
  readonly newId: () => string;
  /** Called when there are new letters. */
  readonly wake: () => void;
}

const everyMs = 1_000;
const ranks = { critical: 0, warning: 1, info: 2 } as const;

/** Makes the chore. */
export function alertChore(parts: TellParts): Chore {
  const { store, sinks, newId } = parts;
  return {
    name: 'alerts',
    everyMs,
    async run() {
      const { state, version } = await store.told();
      const scene = await parts.look(state);
      const standing = standingIn(scene, parts.mute);
      const next = decide(state, standing, sinks, parts.pace, scene.now, newId);
      if (next.changes.length === 0) return;
      // False: another leader has told them meanwhile; the next look goes by that.
      if (await store.tell(version, next.state, lettersFor(parts, next.changes, scene))) parts.wake();
    },
  };
}

function lettersFor({ sinks, linkOf }: TellParts, changes: readonly AlertChange[], scene: Scene) {
  return sinks.flatMap(({ name, grouped }) => {
    const alerts = changes
      .flatMap((change) => {
        const action = change.sinks.get(name);
        return action && isAbout(change.told, name) === false ? [composed(change, action, scene, linkOf)] : [];
      })
      .sort((a, b) => ranks[a.severity] - ranks[b.severity]);
    const letters = grouped ? [alerts] : alerts.map((one) => [one]);
    return letters.flatMap((its) => (its.length > 0 ? [{ sink: name, letter: letterOf(its, scene.now) }] : []));
  });
}

// A sink that takes nothing is not told so.
function isAbout({ key }: Told, sink: string): boolean {
  return key === `unheard/sink/${sink}` || key === `dead/${sink}`;
}

function letterOf(alerts: readonly Alert[], at: number): StoredLetter {
  const id = alerts[0]!.id;
  return { id, json: JSON.stringify({ id, at, alerts } satisfies Letter) };
}
