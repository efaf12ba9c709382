// A provider as delivery gets it: the adapter, and what the settings allow.
import type { Provider } from '../../providers/provider.ts';

/** A provider and the limits that the settings give it. */
export interface Configured {
  readonly provider: Provider;
  readonly timeoutMs: number;
  readonly maxConcurrency: number;
  /** Hand-overs a second; null for any. */
  readonly maxRate: number | null;
}
