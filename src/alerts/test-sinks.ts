// Trying the sinks: a marked alert through each, past the lines, and what came of it.
import type { AlertAction } from '../core/alert.ts';
import { testAlert } from './compose.ts';
import type { Sink } from './sinks/sink.ts';

/** What came of trying one sink. `detail`: why it failed. */
export interface TestResult {
  readonly sink: string;
  readonly type: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly detail: string;
}

/** Tries the sinks side by side. Where an alert has a life of its own, the test is resolved at once. */
export function testSinks(sinks: readonly Sink[], newId: () => string, clock: () => number): Promise<TestResult[]> {
  return Promise.all(
    sinks.map(async (sink) => {
      const began = performance.now();
      const id = newId();
      const post = (action: AlertAction) => {
        const at = clock();
        const letter = { id: action === 'trigger' ? id : newId(), at, alerts: [{ ...testAlert(id, at, action) }] };
        return sink.post(letter, AbortSignal.timeout(sink.longestMs));
      };
      let posted = await post('trigger');
      if (posted.kind === 'taken' && !sink.grouped) posted = await post('resolve');
      const detail = posted.kind === 'taken' ? '' : posted.detail;
      const ms = Math.round(performance.now() - began);
      return { sink: sink.name, type: sink.type, ok: posted.kind === 'taken', ms, detail };
    }),
  );
}
