// The list of sinks.
import type { SinkSettings } from '../../../config/alerts.ts';
import type { Outgoing } from '../../outgoing/post.ts';
import { opsgenieSink } from './opsgenie.ts';
import { type AlertLog, emailSink, logSink, type SendOwn } from './own.ts';
import { pagerdutySink } from './pagerduty.ts';
import type { Sink } from './sink.ts';
import { slackSink } from './slack.ts';
import { jsonSink, webhookSink } from './webhook.ts';

/** What sinks use. */
export interface SinkParts {
  readonly outgoing: Outgoing;
  readonly send: SendOwn;
  readonly log: AlertLog;
  readonly clock: () => number;
}

/** Makes the sink of one entry of `alerts.sinks`. */
export function createSink(name: string, settings: SinkSettings, { outgoing, send, log, clock }: SinkParts): Sink {
  switch (settings.type) {
    case 'slack':
      return slackSink(name, settings, outgoing);
    case 'pagerduty':
      return pagerdutySink(name, settings, outgoing);
    case 'opsgenie':
      return opsgenieSink(name, settings, outgoing);
    case 'webhook':
      return webhookSink(name, settings, outgoing, clock);
    case 'json':
      return jsonSink(name, settings, outgoing);
    case 'email':
      return emailSink(name, settings, send);
    case 'log':
      return logSink(name, log);
    default:
      return settings satisfies never;
  }
}
