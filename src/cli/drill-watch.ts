// Watches one provider during a drill: tells each change of its state, and what its incidents say, as it comes.
import type { IncidentAnswer, ListAnswer, ProviderAnswer } from './answers.ts';
import type { Client } from './client.ts';
import type { Tone } from './terminal.ts';

/** One thing that has happened, for the timeline. `at`: epoch ms of this machine. */
export interface Happening {
  readonly at: number;
  readonly what: 'drill' | 'state' | 'incident' | 'rescue';
  readonly text: string;
  readonly tone: Tone | null;
}

/** A state that was seen. */
export interface SeenState {
  readonly at: number;
  readonly state: string;
}

/** An incident, and when it was first seen. */
export interface SeenIncident {
  readonly at: number;
  readonly incident: IncidentAnswer;
}

/** What has been seen so far. */
export interface Watch {
  /** Each state at its first sight, oldest first. */
  readonly states: readonly SeenState[];
  /** Incidents opened since the watch began, of the provider or the stream; oldest first. */
  readonly incidents: readonly SeenIncident[];
  /** Looks once more; gives the provider. */
  look(): Promise<ProviderAnswer>;
}

const toldMilestones = ['rescue', 'announced', 'closed'];

/** Begins a watch. Incidents that are there already are passed over. */
export async function startWatch(
  client: Client,
  { provider, stream }: { readonly provider: string; readonly stream: string },
  tell: (happening: Happening) => void,
  clock: () => number,
): Promise<Watch> {
  const states: SeenState[] = [];
  const seen = new Map<string, SeenIncident>();
  const readIncidents = async () => (await client.get<ListAnswer<IncidentAnswer>>('/v1/incidents?limit=20')).data;
  const older = new Set((await readIncidents()).map(({ id }) => id));
  let words = '';

  function lookAtIncident(incident: IncidentAnswer, at: number): void {
    const before = seen.get(incident.id);
    if (!before) {
      const text = `incident ${incident.id} (${incident.cause}) is open`;
      tell({ at, what: 'incident', text, tone: 'bad' });
    }
    for (const entry of incident.timeline.slice(before?.incident.timeline.length ?? 0)) {
      if (toldMilestones.includes(entry.what)) tell({ at, what: 'incident', text: entry.text, tone: null });
    }
    const { rescued } = incident.counts;
    if (rescued > (before?.incident.counts.rescued ?? 0))
      tell({ at, what: 'rescue', text: `${rescued} mails are rescued`, tone: null });
    seen.set(incident.id, { at: before?.at ?? at, incident });
  }

  return {
    states,
    get incidents() {
      return [...seen.values()];
    },
    async look() {
      const [found, incidents] = await Promise.all([
        client.get<ProviderAnswer>(`/v1/providers/${encodeURIComponent(provider)}`),
        readIncidents(),
      ]);
      const at = clock();
      const now = `${found.name} is ${found.state}: ${found.reason}`;
      if (states.at(-1)?.state !== found.state) states.push({ at, state: found.state });
      if (now !== words) tell({ at, what: 'state', text: now, tone: found.state === 'up' ? 'good' : 'doubtful' });
      words = now;
      const own = incidents.filter(
        (one) => !older.has(one.id) && (one.provider === provider || (one.provider === null && one.stream === stream)),
      );
      for (const incident of own.reverse()) lookAtIncident(incident, at);
      return found;
    },
  };
}
