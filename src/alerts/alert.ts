// What an alert holds, whichever sink it goes to. No address, no text of any mail, no secret is in it.
import type { AlertAction, AlertKind, Severity } from '../core/alert.ts';

/** One thing that the reader may do: in words, and as the command that does it. */
export interface Advice {
  readonly text: string;
  readonly command: string | null;
}

/** The words of an alert. */
export interface Words {
  /** One line: what, and where. */
  readonly title: string;
  /** What happened, in a sentence or two. */
  readonly happened: string;
  readonly evidence: readonly string[];
  /** How much mail is concerned; null where none is. */
  readonly mail: string | null;
  /** What the service did and goes on doing. */
  readonly did: readonly string[];
  readonly advice: readonly Advice[];
}

/** One alert, as it goes to a sink. Times in epoch ms. */
export interface Alert extends Words {
  /** `alr_…`: of this alert; the same at every sink. */
  readonly id: string;
  /** The id of the alert that began this trouble: the same until it has ended. */
  readonly episode: string;
  readonly key: string;
  readonly kind: AlertKind | 'test';
  readonly action: AlertAction;
  readonly severity: Severity;
  readonly since: number;
  readonly at: number;
  readonly provider: string | null;
  readonly stream: string | null;
  readonly incident: string | null;
  readonly acknowledgedBy: string | null;
  readonly link: string | null;
}

/** What is posted to a sink at once: alerts that came together. `id` is the same for every try. */
export interface Letter {
  readonly id: string;
  readonly at: number;
  readonly alerts: readonly Alert[];
}
