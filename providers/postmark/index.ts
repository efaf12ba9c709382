// Postmark, by its HTTP API and its own client.
import { startDeadline } from '../deadline.ts';
import type { Mail, Provider, ProviderParts, ProviderType, Result, SendContext } from '../provider.ts';
import { cleaner } from '../words.ts';
import { askAccount } from './account.ts';
import { createPostmarkApi } from './api.ts';
import { lookUp } from './look-up.ts';
import { largestRequest, messageOf, unsupportedBy } from './message.ts';
import { judgeAnswer, troubleResult } from './result.ts';
import type { PostmarkSettings } from './settings.ts';
import { readWebhook } from './webhook.ts';

/**
 * Postmark. One mail is one POST /email; there are no idempotency keys. Tags become Postmark's one tag, metadata its metadata (see
 * labels.ts), and our message id comes back in there with every event. Opens and clicks are not tracked. Postmark makes encoded words of
 * file names beyond ASCII, which most readers read (anymail/django-anymail 15.1).
 */
export const postmark: ProviderType<PostmarkSettings> = { type: 'postmark', create };

function create(name: string, settings: PostmarkSettings, { clock, log }: ProviderParts): Provider {
  const api = createPostmarkApi(settings);
  const clean = cleaner([settings.server_token, settings.webhook_password]);
  const unmapped = (detail: string, file: string) =>
    log.warn({ provider: name, detail }, `what Postmark says is in no row of providers/postmark/${file}`);

  async function within<T>(signal: AbortSignal, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const deadline = startDeadline(signal, ms);
    try {
      return await work(deadline.signal);
    } finally {
      deadline.stop();
    }
  }

  async function send(mail: Mail, { signal, timeoutMs }: SendContext): Promise<Result> {
    const message = messageOf(mail, settings.message_stream);
    const came = await within(signal, timeoutMs, (end) => api.call((client) => client.sendEmail(message), end));
    if (came.kind === 'trouble') return troubleResult(came, clean);
    const result = judgeAnswer(came, mail, clock(), clean);
    if (result.reason === 'unmapped') unmapped(result.detail, 'answers.ts');
    return result;
  }

  return {
    name,
    type: 'postmark',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes: largestRequest },
    unsupported: (mail) => unsupportedBy(name, settings, mail),
    send,
    account: (signal) =>
      within(signal, settings.timeout, (end) => askAccount(api, settings.message_stream, clean, end)),
    webhook: async (request) => readWebhook(request, settings, clean, (detail) => unmapped(detail, 'events.ts')),
    lookUp: (message, signal) =>
      within(signal, settings.timeout, (end) =>
        lookUp(message, { api, stream: settings.message_stream, clean, now: clock(), signal: end }),
      ),
    async close() {
      api.close();
    },
  };
}
