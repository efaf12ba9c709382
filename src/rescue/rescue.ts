// Rescue, as the rest of the service sees it: begun by the monitor for an incident, previewed and approved by operators.
import { lanes } from '../core/message.ts';
import type { RescueCount } from '../core/rescue.ts';
import type { Chore } from '../monitor/chore.ts';
import type { RescueState } from '../store/rescues.ts';
import { rescueChore } from './chore.ts';
import type { RescueParts } from './parts.ts';
import { previewOf, type RescuePreview } from './preview.ts';

/** How an incident's rescue stands. Times are epoch ms. */
export interface RescueProgress {
  readonly state: RescueState;
  readonly provider: string;
  readonly from: number;
  readonly to: number;
  /** Has an operator agreed to send what streams with `rescue: ask` hold? */
  readonly approved: boolean;
  /** How many messages there were to look at when it began. */
  readonly candidates: number;
  /** Exact, each message once, whatever crashed. `rescued`: taken back; some of these may count as `expired` or `confirmed_late` later. */
  readonly counts: Readonly<Record<RescueCount, number>>;
}

/** The rescues. All reject when the store is away; all may be repeated. */
export interface Rescue {
  /**
   * Begins the rescue of what `provider` took from `from` to `to` (epoch ms, both included) and never confirmed; one per incident. `to`
   * may lie ahead: what is accepted until then, by attempts under way, is rescued too. Said again with a later `to`, it covers that as well.
   */
  begin(incident: string, provider: string, from: number, to: number): Promise<void>;
  /** Sends what is held for approval; `nothing` when it was approved before or is over, null when there is no such rescue. */
  approve(incident: string): Promise<'approved' | 'nothing' | null>;
  /** A dry run. With `incident`, what that one's rescue holds is counted as approved. */
  preview(provider: string, from: number, to: number, incident?: string): Promise<RescuePreview>;
  /** Null when there is no rescue for it. */
  stateOf(incident: string): Promise<RescueProgress | null>;
  /** For the leading monitor. */
  readonly chore: Chore;
}

/** Makes the rescues of one process. */
export function createRescue(parts: RescueParts): Rescue {
  const { messages, rescues, note } = parts;
  return {
    async begin(incident, provider, from, to) {
      const before = await rescues.read(incident);
      if (before) {
        if (before.to < to) await rescues.extend(incident, to);
        return;
      }
      // Only what is surely in the index by now; the rest comes after it.
      const passTo = Math.min(to, (await rescues.now()) - 1);
      const counted = await Promise.all(lanes.map((lane) => messages.countUnconfirmed(provider, lane, from, passTo)));
      const candidates = counted.reduce((sum, count) => sum + count, 0);
      if (!(await rescues.begin(incident, { provider, from, to, passTo, candidates }))) return;
      const since = new Date(from).toISOString();
      await note(incident, `rescue of ${candidates} messages that ${provider} took since ${since} and never confirmed`);
    },
    approve: (incident) => rescues.approve(incident),
    preview: (provider, from, to, incident) => previewOf(parts, provider, from, to, incident ?? null),
    async stateOf(incident) {
      const record = await rescues.read(incident);
      if (!record) return null;
      const { state, provider, from, to, approved, candidates, counts } = record;
      return { state, provider, from, to, approved, candidates, counts };
    },
    chore: rescueChore(parts),
  };
}
