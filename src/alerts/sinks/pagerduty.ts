// PagerDuty, Events API v2 (developer.pagerduty.com/docs/events-api-v2, 2026-11): one event each, joined by `dedup_key`.
import type { Outgoing } from '../../outgoing/post.ts';
import type { Alert } from '../alert.ts';
import { asText } from '../plain.ts';
import { postedOf, type Sink, without } from './sink.ts';

const mostSummary = 1_024;
const actions = {
  trigger: 'trigger',
  update: 'trigger',
  repeat: 'trigger',
  acknowledge: 'acknowledge',
  resolve: 'resolve',
} as const;

/** The event that one alert becomes. `acknowledge` and `resolve` need no payload. */
export function pagerdutyEvent(alert: Alert, routing_key: string): object {
  const event_action = actions[alert.action];
  const head = { routing_key, event_action, dedup_key: `mailover/${alert.key}/${alert.episode}`.slice(0, 255) };
  if (event_action !== 'trigger') return head;
  return {
    ...head,
    client: 'Mailover',
    ...(alert.link !== null && { client_url: alert.link, links: [{ href: alert.link, text: 'More about it' }] }),
    payload: {
      summary: alert.title.slice(0, mostSummary),
      source: alert.provider ?? alert.stream ?? 'mailover',
      severity: alert.severity,
      timestamp: new Date(alert.at).toISOString(),
      component: 'mailover',
      class: alert.kind,
      custom_details: { incident: alert.incident, what: asText(alert) },
    },
  };
}

/** Makes the sink. */
export function pagerdutySink(
  name: string,
  settings: { routing_key: string; base_url: string; timeout: number },
  outgoing: Outgoing,
): Sink {
  const { routing_key, base_url, timeout: timeoutMs } = settings;
  const clean = without(routing_key);
  return {
    name,
    type: 'pagerduty',
    grouped: false,
    longestMs: timeoutMs,
    async post({ alerts: [alert] }, signal) {
      const body = JSON.stringify(pagerdutyEvent(alert!, routing_key));
      return postedOf(await outgoing.ask({ url: `${base_url}/v2/enqueue`, body, timeoutMs }, signal), clean);
    },
  };
}
