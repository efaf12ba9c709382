// What the adapters make of a golden payload: each by its own reader, as for a webhook that has been verified.
import { readEvent as readMailgun } from '../../providers/mailgun/events.ts';
import { readEvent as readMandrill } from '../../providers/mandrill/events.ts';
import { readRecord as readPostmark } from '../../providers/postmark/events.ts';
import type { ProviderEvent } from '../../providers/provider.ts';
import { readWebhook as readResend, signingKey } from '../../providers/resend/webhook.ts';
import { readEvents as readSendgrid } from '../../providers/sendgrid/events.ts';
import { readEvents as readSes } from '../../providers/ses/events.ts';
import { cleaner } from '../../providers/words.ts';
import { signed, webhookSecret } from '../providers/resend.fake.ts';
import type { Listener } from './golden.ts';

const clean = cleaner([]);
const key = signingKey(webhookSecret);

/** The events in `text`, which came at `receivedAt` with the number `mark`. */
export function read(from: Listener, text: string, receivedAt: number, mark: number): readonly ProviderEvent[] {
  switch (from) {
    case 'mandrill': {
      const event = readMandrill(JSON.parse(text), receivedAt, clean);
      return event === null || event === 'ignored' ? [] : [event];
    }
    case 'ses': {
      const events = readSes(text, clean);
      return typeof events === 'string' ? [] : events;
    }
    case 'postmark':
      return [readPostmark(JSON.parse(text), receivedAt, clean) ?? []].flat();
    case 'sendgrid':
      return readSendgrid(JSON.parse(text), receivedAt, clean).events;
    case 'mailgun':
      return [readMailgun(JSON.parse(text), receivedAt, clean) ?? []].flat();
    case 'resend': {
      const headers = signed(text, receivedAt, { id: `msg_${mark}` });
      const request = { method: 'POST', url: '/', headers, body: Buffer.from(text), receivedAt };
      const result = readResend(request, key, clean, () => {});
      return result.kind === 'events' ? result.events : [];
    }
    default:
      return from satisfies never;
  }
}
