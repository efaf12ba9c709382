// Resend, by its HTTP API.
import { startDeadline } from '../deadline.ts';
import { createHttpClient, type HttpRequest } from '../http.ts';
import type { Mail, Provider, ProviderParts, ProviderType, Result, SendContext } from '../provider.ts';
import { cleaner } from '../words.ts';
import { askAccount, type Get } from './account.ts';
import { lookUp } from './look-up.ts';
import { idempotencyKeyOf, largestMail, messageOf, unsupportedBy } from './message.ts';
import { judgeAnswer, troubleResult } from './result.ts';
import type { ResendSettings } from './settings.ts';
import { readWebhook, signingKey } from './webhook.ts';

/**
 * Resend. One mail is one POST /emails with an idempotency key, kept for 24 hours: asked again with the same one, Resend answers as it did
 * the first time, and sends nothing twice. Our message id and the sender's tags go as tags (see labels.ts), and come back with every event.
 * Metadata stays in our own store: Resend has no place for it that readers of the mail would not see. Message-ID is Resend's own, and
 * opens and clicks are tracked as the domain is set there. What became of one of several recipients Resend does not say.
 */
export const resend: ProviderType<ResendSettings> = { type: 'resend', create };

function create(name: string, settings: ResendSettings, { clock, log }: ProviderParts): Provider {
  const { api_key, base_url, from_domains, max_concurrency, timeout, webhook_secret } = settings;
  const http = createHttpClient({ maxSockets: max_concurrency });
  const clean = cleaner([api_key, webhook_secret]);
  const key = webhook_secret === undefined ? null : signingKey(webhook_secret);
  // Requests without User-Agent are refused before they get to the API (resend.com/docs/knowledge-base/403-error-1010, 2026-11).
  const headers = { authorization: `Bearer ${api_key}`, accept: 'application/json', 'user-agent': 'mailover' };
  const unmapped = (detail: string, file: string) =>
    log.warn({ provider: name, detail }, `what Resend says is in no row of providers/resend/${file}`);

  const ask = async (request: Omit<HttpRequest, 'url'>, path: string, ms: number) => {
    const deadline = startDeadline(request.signal, ms);
    try {
      return await http.request({
        ...request,
        url: `${base_url}${path}`,
        headers: { ...headers, ...request.headers },
        signal: deadline.signal,
      });
    } finally {
      deadline.stop();
    }
  };
  const getWith =
    (signal: AbortSignal): Get =>
    (path) =>
      ask({ method: 'GET', signal }, path, timeout);

  async function send(mail: Mail, { signal, timeoutMs, idempotencyKey }: SendContext): Promise<Result> {
    const body = JSON.stringify(messageOf(mail));
    const own = { 'content-type': 'application/json', 'idempotency-key': idempotencyKeyOf(idempotencyKey, mail) };
    const came = await ask({ method: 'POST', headers: own, body, signal }, '/emails', timeoutMs);
    if (came.kind === 'trouble') return troubleResult(came, clean);
    const result = judgeAnswer(came, clock(), clean);
    if (result.reason === 'unmapped') unmapped(result.detail, 'answers.ts');
    return result;
  }

  return {
    name,
    type: 'resend',
    traits: { confirmsDelivery: true, idempotent: true, maxBytes: largestMail },
    unsupported: (mail) => unsupportedBy(name, from_domains, mail),
    send,
    account: (signal) => askAccount(getWith(signal), from_domains, clean),
    webhook: async (request) => readWebhook(request, key, clean, (detail) => unmapped(detail, 'events.ts')),
    lookUp: (message, signal) => lookUp(message, getWith(signal), clock(), clean),
    async close() {
      http.close();
    },
  };
}
