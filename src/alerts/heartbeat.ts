// The dead man's switch: asks for an outside URL while the leading monitor works. When that stops, somebody else raises the alarm.
import type { Chore } from '../monitor/chore.ts';
import type { Outgoing } from '../outgoing/post.ts';
import type { AlertLog } from './sinks/own.ts';

const timeoutMs = 10_000;

/**
 * A chore of the leading monitor: it runs only after the leader has renewed its lease, and so written to the store, and has judged the providers.
 * @param works does the rest of the leader's work go on as well?
 */
export function heartbeatChore(
  { url, every }: { readonly url: string; readonly every: number },
  outgoing: Outgoing,
  works: () => boolean,
  log: AlertLog,
): Chore {
  let failing = false;
  return {
    name: 'heartbeat',
    everyMs: every,
    async run() {
      if (!works()) return;
      const answer = await outgoing.ask({ url, timeoutMs });
      const fine = answer.kind === 'answered' && answer.status >= 200 && answer.status < 300;
      const detail = answer.kind === 'answered' ? `HTTP ${answer.status}` : answer.detail;
      if (!fine && !failing)
        log.warn({ detail }, 'alerts.heartbeat.url does not take the heartbeat; it is tried again');
      if (fine && failing) log.info({}, 'alerts.heartbeat.url takes the heartbeat again');
      failing = !fine;
    },
  };
}
