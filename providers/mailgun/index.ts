// Mailgun, by its HTTP API (v3).
import { startDeadline } from '../deadline.ts';
import { createHttpClient, type HttpRequest } from '../http.ts';
import type { Mail, Provider, ProviderParts, ProviderType, Result, SendContext } from '../provider.ts';
import { cleaner } from '../words.ts';
import { askAccount } from './account.ts';
import { encodeForm } from './form.ts';
import { lookUp } from './look-up.ts';
import { fieldsOf, largestMail, unsupportedBy } from './message.ts';
import { judgeAnswer, troubleResult } from './result.ts';
import type { MailgunSettings } from './settings.ts';
import { readWebhook } from './webhook.ts';

/**
 * Mailgun. One mail is one POST /v3/{domain}/messages; there are no idempotency keys. Tags become Mailgun's tags, `plan=pro`; metadata
 * stays in our own store, because Mailgun would show it to every reader; our message id comes back with every event. An inline
 * file is called by its content id. Nothing is tracked.
 */
export const mailgun: ProviderType<MailgunSettings> = { type: 'mailgun', create };

type Asked = Pick<HttpRequest, 'method' | 'body' | 'headers' | 'signal'>;

function create(name: string, settings: MailgunSettings, { clock, log }: ProviderParts): Provider {
  const { api_key, base_url, domain, from_domains, max_concurrency, timeout, webhook_signing_key } = settings;
  const http = createHttpClient({ maxSockets: max_concurrency });
  const login = Buffer.from(`api:${api_key}`).toString('base64');
  const clean = cleaner([api_key, login, webhook_signing_key]);

  const ask = async ({ method, body, headers, signal }: Asked, path: string, ms: number) => {
    const deadline = startDeadline(signal, ms);
    try {
      return await http.request({
        method,
        url: `${base_url}${path}`,
        headers: { ...headers, authorization: `Basic ${login}` },
        ...(body !== undefined && { body }),
        signal: deadline.signal,
      });
    } finally {
      deadline.stop();
    }
  };
  const getter = (signal: AbortSignal) => (path: string) => ask({ method: 'GET', signal }, path, timeout);

  async function send(mail: Mail, { signal, timeoutMs }: SendContext): Promise<Result> {
    const { contentType, body } = encodeForm(fieldsOf(mail));
    const request = { method: 'POST', headers: { 'content-type': contentType }, body, signal } as const;
    const came = await ask(request, `/v3/${encodeURIComponent(domain)}/messages`, timeoutMs);
    if (came.kind === 'trouble') return troubleResult(came, clean);
    const result = judgeAnswer(came, mail, clock(), clean);
    if (result.reason === 'unmapped')
      log.warn(
        { provider: name, detail: result.detail },
        'what Mailgun says is in no row of providers/mailgun/answers.ts',
      );
    return result;
  }

  return {
    name,
    type: 'mailgun',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes: largestMail },
    unsupported: (mail) => unsupportedBy(name, from_domains, mail),
    send,
    account: (signal) => askAccount(getter(signal), domain, clean),
    webhook: (request, context) => readWebhook(request, context, webhook_signing_key, clean),
    lookUp: (message, signal) => lookUp(message, getter(signal), domain, clean, clock()),
    async close() {
      http.close();
    },
  };
}
