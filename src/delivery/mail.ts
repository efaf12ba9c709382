// A stored message as an adapter gets it: frozen, with the recipients that still have to be reached.
import type { Mail } from '../../providers/provider.ts';
import { addressesOf, type Flow } from '../core/message.ts';
import type { Body, Envelope } from '../store/messages.ts';

/** The addresses nobody has taken yet, in the message's order. */
export function pendingAddresses(envelope: Envelope, flow: Flow): string[] {
  return addressesOf(envelope).filter((_, index) => flow.recipients[index] === 'pending');
}

/** Builds the mail anew for every hand-over, so that nothing an adapter does to it reaches the next one. */
export function mailOf(id: string, envelope: Envelope, body: Body, flow: Flow): Mail {
  return Object.freeze({
    id,
    from: envelope.from,
    to: [...envelope.to],
    cc: [...envelope.cc],
    bcc: [...envelope.bcc],
    replyTo: [...envelope.replyTo],
    subject: envelope.subject,
    text: body.text,
    html: body.html,
    headers: { ...envelope.headers },
    attachments: body.attachments.map((attachment) => ({ ...attachment })),
    tags: envelope.tags.map((tag) => ({ ...tag })),
    metadata: { ...envelope.metadata },
    recipients: pendingAddresses(envelope, flow),
  });
}
