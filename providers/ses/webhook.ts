// The webhook of SES: messages of SNS, which carry its events. Verified, then read.
import { startDeadline } from '../deadline.ts';
import type { HttpClient } from '../http.ts';
import type { ProviderLog, WebhookContext, WebhookRequest, WebhookResult } from '../provider.ts';
import type { Clean } from '../words.ts';
import { createCertificates } from './certificates.ts';
import { type Envelope, isSigned, readEnvelope, snsHost } from './envelope.ts';
import { readEvents } from './events.ts';

/** Reads one webhook. */
export type Webhook = (request: WebhookRequest, context: WebhookContext) => Promise<WebhookResult>;

const confirmMs = 5_000;

/**
 * The webhook of one provider. `request` is the only way out: to fetch certificates and to confirm subscriptions, both at SNS in the
 * region of a topic among `topics`.
 *
 * A repeat of a message is welcome: SNS sends one again when our answer was lost. Its events have the same ids, so it changes nothing;
 * hence no memory of message ids here.
 */
export function createWebhook(
  name: string,
  topics: readonly string[],
  request: HttpClient['request'],
  clean: Clean,
  log: ProviderLog,
): Webhook {
  const certificates = createCertificates(request);
  return async (webhook, { signal }) => {
    const forged = (detail: string): WebhookResult => ({ kind: 'forged', detail });
    const envelope = readEnvelope(webhook, topics);
    if (typeof envelope === 'string') return forged(envelope);
    const certificate = await certificates.get(envelope, webhook.receivedAt, signal);
    if (typeof certificate === 'string') return forged(certificate);
    if (!isSigned(envelope, certificate)) return forged('its signature is wrong');

    switch (envelope.type) {
      case 'Notification':
        return read(envelope, clean);
      case 'SubscriptionConfirmation':
        if (!leadsHome(envelope)) return forged('its SubscribeURL does not lead to SNS, or confirms something else');
        await confirm(envelope, request, signal);
        return { kind: 'answered', status: 200, body: 'confirmed' };
      case 'UnsubscribeConfirmation':
        log.warn(
          { provider: name, topic: envelope.topicArn },
          'SNS says that our subscription was taken away: events will stop',
        );
        return {
          kind: 'unreadable',
          detail: 'the subscription was taken away; if that was not meant, subscribe again',
        };
      default:
        return envelope.type satisfies never;
    }
  };
}

function read(envelope: Envelope, clean: Clean): WebhookResult {
  const events = readEvents(envelope.message, clean);
  return typeof events === 'string'
    ? { kind: 'unreadable', detail: clean(events) }
    : { kind: 'events', events, account: [] };
}

// It has to be ConfirmSubscription of this topic with this token, and nothing more, at the host of the topic's region.
function leadsHome({ subscribeUrl, topicArn, token }: Envelope): boolean {
  const home = `https://${snsHost(topicArn)}/?`;
  if (token === '' || !subscribeUrl.startsWith(home)) return false;
  const query = [...new URLSearchParams(subscribeUrl.slice(home.length))].map(([key, value]) => `${key}=${value}`);
  const wanted = ['Action=ConfirmSubscription', `TopicArn=${topicArn}`, `Token=${token}`];
  return query.length === wanted.length && wanted.every((one) => query.includes(one));
}

// Not the URL that came: one made of what was checked. SNS answers 200 to a repeat as well.
async function confirm({ topicArn, token }: Envelope, request: HttpClient['request'], signal: AbortSignal) {
  const query = new URLSearchParams({ Action: 'ConfirmSubscription', TopicArn: topicArn, Token: token });
  const deadline = startDeadline(signal, confirmMs);
  const url = `https://${snsHost(topicArn)}/?${query}`;
  const answer = await request({ method: 'GET', url, signal: deadline.signal }).finally(deadline.stop);
  if (answer.kind === 'trouble') throw new Error(`the subscription cannot be confirmed: ${answer.detail}`);
  if (answer.status !== 200) throw new Error(`the subscription cannot be confirmed: SNS answers ${answer.status}`);
}
