// Mailchimp Transactional, which calls itself Mandrill in its API.
import { startDeadline } from '../deadline.ts';
import type { Mail, Provider, ProviderParts, ProviderType, Result, SendContext } from '../provider.ts';
import { cleaner } from '../words.ts';
import { askAccount } from './account.ts';
import { createMandrillApi } from './api.ts';
import { lookUp } from './look-up.ts';
import { largestMail, messageOf, unsupportedBy } from './message.ts';
import { judgeAnswer, troubleResult } from './result.ts';
import type { MandrillSettings } from './settings.ts';
import { readWebhook } from './webhook.ts';

/**
 * Mandrill. One mail is one POST /messages/send; there are no idempotency keys. A suspended account is answered with 200: each recipient's
 * `queued_reason` says what is held back. Tags go as `name=value`, metadata beside our message id, which comes back with every
 * event. Opens and clicks are not tracked. The file name of an inline image is not kept, only its content id; Mandrill garbles file
 * names beyond ASCII (anymail/django-anymail 15.1).
 */
export const mandrill: ProviderType<MandrillSettings> = { type: 'mandrill', create };

function create(name: string, settings: MandrillSettings, { clock, log }: ProviderParts): Provider {
  const api = createMandrillApi(settings);
  const clean = cleaner([settings.api_key, settings.webhook_key]);
  const odd = (detail: string, file: string) =>
    log.warn({ provider: name, detail }, `what Mandrill says is in no row of providers/mandrill/${file}`);

  async function within<T>(signal: AbortSignal, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = startDeadline(signal, ms);
    try {
      return await work(deadline.signal);
    } finally {
      deadline.stop();
    }
  }

  async function send(mail: Mail, { signal, timeoutMs }: SendContext): Promise<Result> {
    const message = messageOf(mail);
    const came = await within(signal, timeoutMs, (end) => api.call('/messages/send', message, end));
    if (came.kind === 'trouble') return troubleResult(came, clean);
    const { result, unmapped } = judgeAnswer(came, mail, clock(), clean);
    if (unmapped !== null) odd(unmapped, 'answers.ts');
    return result;
  }

  return {
    name,
    type: 'mandrill',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes: largestMail },
    unsupported: (mail) => unsupportedBy(name, settings, mail),
    send,
    account: (signal) => within(signal, settings.timeout, (end) => askAccount(api, clean, end)),
    webhook: async (request) => readWebhook(request, settings, clean, (detail) => odd(detail, 'events.ts')),
    lookUp: (message, signal) => within(signal, settings.timeout, (end) => lookUp(message, api, clean, end)),
    async close() {
      api.close();
    },
  };
}
