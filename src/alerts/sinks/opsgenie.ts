// Opsgenie, Alert API (docs.opsgenie.com/docs/alert-api, 2026-11): alerts are created, noted, acknowledged and closed by their alias.
import type { Outgoing, OutgoingRequest } from '../../outgoing/post.ts';
import type { Alert } from '../alert.ts';
import { asText, headline } from '../plain.ts';
import { askAll, type Sink, without } from './sink.ts';

const most = { message: 130, description: 15_000, note: 25_000, alias: 512 };
const priorities = { critical: 'P1', warning: 'P3', info: 'P5' } as const;

/** The requests that one alert becomes, in order; all may be repeated. */
export function opsgenieRequests(
  alert: Alert,
  { api_key, base_url, timeout: timeoutMs }: { api_key: string; base_url: string; timeout: number },
): OutgoingRequest[] {
  const alias = `mailover/${alert.key}/${alert.episode}`.slice(0, most.alias);
  const headers = { authorization: `GenieKey ${api_key}` };
  const ask = (method: 'POST' | 'PUT', path: string, body: object): OutgoingRequest => ({
    method,
    url: `${base_url}/v2/alerts${path}`,
    headers,
    body: JSON.stringify(body),
    timeoutMs,
  });
  const existing = (what: string) => `/${encodeURIComponent(alias)}/${what}?identifierType=alias`;
  const source = 'Mailover';
  const note = asText(alert).slice(0, most.note);
  const priority = priorities[alert.severity];
  switch (alert.action) {
    case 'trigger':
    case 'repeat':
      return [
        ask('POST', '', {
          message: alert.title.slice(0, most.message),
          alias,
          description: asText(alert).slice(0, most.description),
          priority,
          source,
          ...((alert.provider ?? alert.stream) && { entity: alert.provider ?? alert.stream }),
          tags: ['mailover', alert.kind],
          details: { incident: alert.incident ?? '', link: alert.link ?? '' },
        }),
      ];
    case 'update':
      return [ask('PUT', existing('priority'), { priority }), ask('POST', existing('notes'), { source, note })];
    case 'acknowledge':
      return [ask('POST', existing('acknowledge'), { source, note: headline(alert) })];
    case 'resolve':
      return [ask('POST', existing('close'), { source, note })];
    default:
      return alert.action satisfies never;
  }
}

/** Makes the sink. */
export function opsgenieSink(
  name: string,
  settings: { api_key: string; base_url: string; timeout: number },
  outgoing: Outgoing,
): Sink {
  const clean = without(settings.api_key);
  return {
    name,
    type: 'opsgenie',
    grouped: false,
    longestMs: 2 * settings.timeout,
    post: ({ alerts: [alert] }, signal) => askAll(outgoing, opsgenieRequests(alert!, settings), clean, signal),
  };
}
