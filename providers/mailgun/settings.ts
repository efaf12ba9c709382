// Settings of a Mailgun domain.
import { z } from 'zod';
import { converted, domain, text, toHttpUrl } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Schema of `type: mailgun`. */
export const mailgunSettings = z.strictObject({
  type: z.literal('mailgun').meta({ description: 'Mailgun, by its HTTP API (v3).' }),
  ...commonSettings,
  api_key: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'is no API key: write it as Mailgun showed it, without spaces')
    .meta({
      description: 'An API key of the account, or a sending key of the domain; only the former may look up mail.',
      kind: 'text',
      secret: true,
    }),
  domain: domain().meta({ description: 'The sending domain as it is called at Mailgun, such as mg.acme.example.' }),
  webhook_signing_key: text().optional().meta({
    description: 'The HTTP webhook signing key of the account; without it no webhook is believed.',
    secret: true,
  }),
  base_url: converted(
    toHttpUrl,
    'is no address of an API: write scheme, host and port, such as https://api.mailgun.net',
  )
    .meta({ kind: 'URL' })
    .prefault('https://api.mailgun.net')
    .meta({
      description:
        'Where the API is, if not there: https://api.eu.mailgun.net for domains in the EU; `/v3/{domain}/messages` and the other paths are added.',
    }),
});

/** The settings of one Mailgun domain, parsed: times in milliseconds, rates per second. */
export type MailgunSettings = z.output<typeof mailgunSettings>;
