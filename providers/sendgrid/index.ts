// SendGrid, by its HTTP API (v3).
import { startDeadline } from '../deadline.ts';
import { createHttpClient, type HttpRequest } from '../http.ts';
import type { Mail, Provider, ProviderParts, ProviderType, Result, SendContext } from '../provider.ts';
import { cleaner } from '../words.ts';
import { askAccount } from './account.ts';
import { largestMail, messageOf, unsupportedBy } from './message.ts';
import { judgeAnswer, troubleResult } from './result.ts';
import type { SendgridSettings } from './settings.ts';
import { readWebhook, verificationKey } from './webhook.ts';

/**
 * SendGrid. One mail is one POST /v3/mail/send; there are no idempotency keys, and what became of a mail cannot be asked without a paid
 * add-on. Tags become categories, metadata custom arguments (see labels.ts), and our message id comes back among these with every
 * event. Nothing is tracked, and no footer of subscription links is added.
 *
 * SendGrid takes mail with 202 for an account it has suspended, and drops it three days later. Switch on the account status events
 * (`account_status_change`) in its Event Webhook: they, and silence, are all that tells.
 */
export const sendgrid: ProviderType<SendgridSettings> = { type: 'sendgrid', create };

function create(name: string, settings: SendgridSettings, { clock, log }: ProviderParts): Provider {
  const { api_key, base_url, from_domains, max_concurrency, timeout, webhook_public_key } = settings;
  const http = createHttpClient({ maxSockets: max_concurrency });
  const clean = cleaner([api_key]);
  const key = webhook_public_key === undefined ? null : verificationKey(webhook_public_key);
  // Without Accept some of its paths answer 406.
  const headers = { authorization: `Bearer ${api_key}`, accept: 'application/json' };

  const ask = async (request: Pick<HttpRequest, 'method' | 'body' | 'signal'>, path: string, ms: number) => {
    const deadline = startDeadline(request.signal, ms);
    try {
      return await http.request({
        ...request,
        url: `${base_url}${path}`,
        headers: { ...headers, ...(request.body !== undefined && { 'content-type': 'application/json' }) },
        signal: deadline.signal,
      });
    } finally {
      deadline.stop();
    }
  };

  async function send(mail: Mail, { signal, timeoutMs }: SendContext): Promise<Result> {
    const body = JSON.stringify(messageOf(mail));
    const came = await ask({ method: 'POST', body, signal }, '/v3/mail/send', timeoutMs);
    if (came.kind === 'trouble') return troubleResult(came, clean);
    const result = judgeAnswer(came, mail, clock(), clean);
    if (result.reason === 'unmapped')
      log.warn(
        { provider: name, detail: result.detail },
        'what SendGrid says is in no row of providers/sendgrid/answers.ts',
      );
    return result;
  }

  return {
    name,
    type: 'sendgrid',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes: largestMail },
    unsupported: (mail) => unsupportedBy(name, from_domains, mail),
    send,
    account: (signal) => askAccount((path) => ask({ method: 'GET', signal }, path, timeout), clean),
    webhook: async (request) =>
      readWebhook(request, key, clean, (count) =>
        log.warn({ provider: name, count }, 'items of a webhook of SendGrid are no events; they are left out'),
      ),
    async close() {
      http.close();
    },
  };
}
