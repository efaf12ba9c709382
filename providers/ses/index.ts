// Amazon SES: mail out by SendRawEmail, events in by SNS.
import { createHttpClient, type HttpClient } from '../http.ts';
import type { Provider, ProviderParts, ProviderType } from '../provider.ts';
import { cleaner } from '../words.ts';
import { askAccount } from './account.ts';
import { createSesApi } from './client.ts';
import { handOver, maxBytes, unsupported } from './send.ts';
import type { SesSettings } from './settings.ts';
import { createWebhook } from './webhook.ts';

/**
 * Amazon SES. Our message id travels as the tag `mailover_id` and the header `X-Mailover-Id`, and comes back with events.
 *
 * Tags go along as message tags, escaped where SES does not take them as they are. Metadata stays in our own store: SES has no
 * place for it that readers of the mail would not see. Message-ID and Date are SES's own. SES cannot be asked about one message.
 */
export const ses: ProviderType<SesSettings> = { type: 'ses', create: createSes };

/** Makes the provider. `request` is how webhooks reach SNS, for tests. */
export function createSes(
  name: string,
  settings: SesSettings,
  parts: ProviderParts,
  request?: HttpClient['request'],
): Provider {
  const http = createHttpClient({ maxSockets: settings.max_concurrency });
  const api = createSesApi(settings, http);
  const clean = cleaner([settings.session_token, settings.secret_access_key, settings.access_key_id]);
  return {
    name,
    type: 'ses',
    traits: { confirmsDelivery: true, idempotent: false, maxBytes },
    unsupported: (mail) => unsupported(name, settings, mail),
    async send(mail, context) {
      const result = await handOver(api, settings, clean, mail, context, parts.clock);
      if (result.reason === 'unmapped')
        parts.log.warn({ provider: name, detail: result.detail }, 'answer in no row of providers/ses/answers.ts');
      return result;
    },
    account: (signal) => askAccount(api, clean, signal, settings.timeout, parts.clock),
    webhook: createWebhook(name, settings.sns_topic_arns, request ?? http.request, clean, parts.log),
    async close() {
      api.close();
    },
  };
}
