// Changes of incidents: read, decide, write, and once more from the start whenever somebody else was faster.
import { acknowledged, type Incident, type IncidentChange, type Milestone, noted } from '../core/incident.ts';

/** Where incidents are read, and written if nobody was faster (else null). */
export interface IncidentRecords {
  /** Those that are open, oldest first. */
  open(): Promise<Incident[]>;
  read(id: string): Promise<Incident | null>;
  /**
   * Writes it if its version is still the stored one. Gives it as stored, or null when somebody was faster: it has changed, it has been
   * closed, or, if it is new (and so open), one for the same provider and cause is open already. Nothing was written then.
   */
  write(incident: Incident): Promise<Incident | null>;
}

/** What is done with them. Each rejects when the store is away, or every race is lost. */
export interface IncidentChanges {
  /** Reads the open ones, decides, and writes what comes of it; once more from the start whenever somebody was faster. */
  change(decide: (open: readonly Incident[]) => readonly IncidentChange[]): Promise<IncidentChange[]>;
  /** Adds to the timeline, even of a closed one; null when there is none. */
  note(id: string, what: Milestone, text: string): Promise<Incident | null>;
  /** Null when there is none; `first` is false when it was acknowledged before, and then nothing has changed. */
  acknowledge(id: string, by: string): Promise<{ readonly incident: Incident; readonly first: boolean } | null>;
}

// Each lost race is somebody else's change; as many as this in a row are a fault of ours.
const mostRaces = 20;

/** Of whom or what there is one open incident at most. */
export function subjectOf({ provider, stream, cause }: Incident): string {
  return `${cause}:${provider ?? ''}:${stream ?? ''}`;
}

/** Makes them. */
export function incidentChanges({ open, read, write }: IncidentRecords, clock: () => number): IncidentChanges {
  /** The incident as it was and as it is now; the same object twice when `change` leaves it as it is. */
  async function fold(
    id: string,
    change: (incident: Incident) => Incident,
  ): Promise<{ before: Incident; after: Incident } | null> {
    for (let race = 0; race < mostRaces; race++) {
      const before = await read(id);
      if (!before) return null;
      const next = change(before);
      const after = next === before ? before : await write(next);
      if (after) return { before, after };
    }
    throw lost(id);
  }

  return {
    async change(decide) {
      const changes: IncidentChange[] = [];
      for (let race = 0; race < mostRaces; race++) {
        const next = decide(await open());
        let faster = false;
        for (const { incident, kind } of next) {
          const written = await write(incident);
          faster = written === null;
          if (written === null) break;
          changes.push({ incident: written, kind });
        }
        if (!faster) return changes;
      }
      throw lost('the open incidents');
    },
    async note(id, what, text) {
      return (await fold(id, (incident) => noted(incident, what, text, clock())))?.after ?? null;
    },
    async acknowledge(id, by) {
      const done = await fold(id, (incident) => acknowledged(incident, by, clock()));
      return done && { incident: done.after, first: done.after !== done.before };
    },
  };
}

function lost(what: string): Error {
  return new Error(`${what} could not be written: somebody else was faster ${mostRaces} times in a row`);
}
