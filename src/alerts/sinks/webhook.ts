// Signed webhooks (Standard Webhooks), one alert each; and any API that takes JSON, by a template.
import { fillTemplate } from '../../../config/template.ts';
import type { Outgoing } from '../../outgoing/post.ts';
import { signedHeaders } from '../../outgoing/sign.ts';
import type { Alert, Letter } from '../alert.ts';
import { asText } from '../plain.ts';
import { postedOf, type Sink } from './sink.ts';

const iso = (at: number) => new Date(at).toISOString();
const past = {
  trigger: 'triggered',
  update: 'updated',
  repeat: 'repeated',
  acknowledge: 'acknowledged',
  resolve: 'resolved',
} as const;

/** What is posted about one alert: `{type, timestamp, data}`. */
export function webhookBody(alert: Alert): object {
  const { at, since, acknowledgedBy, advice, happened, ...rest } = alert;
  return {
    type: `alert.${past[alert.action]}`,
    timestamp: iso(at),
    data: { ...rest, since: iso(since), what: happened, advice, acknowledged_by: acknowledgedBy },
  };
}

/** Makes the signed sink. */
export function webhookSink(
  name: string,
  settings: { url: string; secrets: readonly string[]; timeout: number },
  outgoing: Outgoing,
  clock: () => number,
): Sink {
  const { url, secrets, timeout: timeoutMs } = settings;
  return {
    name,
    type: 'webhook',
    grouped: false,
    longestMs: timeoutMs,
    async post({ id, alerts: [alert] }: Letter, signal) {
      const body = JSON.stringify(webhookBody(alert!));
      const headers = signedHeaders(secrets, id, clock(), body);
      return postedOf(await outgoing.ask({ url, headers, body, timeoutMs }, signal), null);
    },
  };
}

/** Makes the sink of a template. */
export function jsonSink(
  name: string,
  settings: { url: string; headers: Readonly<Record<string, string>>; template: string; timeout: number },
  outgoing: Outgoing,
): Sink {
  const { url, headers, template, timeout: timeoutMs } = settings;
  return {
    name,
    type: 'json',
    grouped: false,
    longestMs: timeoutMs,
    async post({ alerts: [alert] }: Letter, signal) {
      const { id, key, action, kind, severity, title, provider, stream, incident, since, at, link } = alert!;
      const values = { id, key, action, kind, severity, title, provider, stream, incident, link };
      const times = { started_at: iso(since), at: iso(at) };
      const body = fillTemplate(template, { ...values, ...times, text: asText(alert!), test: kind === 'test' });
      return postedOf(await outgoing.ask({ url, headers, body, timeoutMs }, signal), null);
    },
  };
}
