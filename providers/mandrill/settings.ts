// Settings of a Mandrill (Mailchimp Transactional) account.
import { z } from 'zod';
import { converted, text, toHttpUrl, whenSection } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Schema of `type: mandrill`. */
export const mandrillSettings = z
  .strictObject({
    type: z.literal('mandrill').meta({ description: 'Mailchimp Transactional (Mandrill), by its HTTP API.' }),
    ...commonSettings,
    api_key: z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'is no key: write the API key of the Mandrill account, without spaces')
      .meta({ description: 'An API key of the Mandrill account.', kind: 'text', secret: true }),
    webhook_key: text().optional().meta({
      description:
        'The key that Mandrill made for the webhook, and signs with; goes with `webhook_url`. Without it no webhook is believed.',
      secret: true,
    }),
    webhook_url: z
      .string()
      .refine(isUrl, 'is no address of a webhook: write the URL as it was given to Mandrill, with https:// and all')
      .meta({ kind: 'URL' })
      .optional()
      .meta({
        description:
          'The URL of the webhook, to the letter as it was given to Mandrill: the signature covers it. Goes with `webhook_key`.',
      }),
    base_url: converted(
      toHttpUrl,
      'is no address of an API: write scheme, host and path, such as https://mandrillapp.com/api/1.0',
    )
      .meta({ kind: 'URL' })
      .prefault('https://mandrillapp.com/api/1.0')
      .meta({ description: 'Where the API is, up to and with its version; `/messages/send.json` is added.' }),
  })
  .refine(({ webhook_key, webhook_url }) => (webhook_key === undefined) === (webhook_url === undefined), {
    ...whenSection,
    path: ['webhook_url'],
    error: 'goes together with `webhook_key`: set both, or neither where no webhooks come in',
  });

/** The settings of one Mandrill account, parsed: times in milliseconds, rates per second. */
export type MandrillSettings = z.output<typeof mandrillSettings>;

function isUrl(written: string): boolean {
  return /^https?:\/\//.test(written) && URL.canParse(written);
}
