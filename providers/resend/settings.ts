// Settings of a Resend account.
import { z } from 'zod';
import { converted, toHttpUrl } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Schema of `type: resend`. */
export const resendSettings = z.strictObject({
  type: z.literal('resend').meta({ description: 'Resend, by its HTTP API.' }),
  ...commonSettings,
  api_key: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'is no API key: write it as Resend showed it (re_…), without spaces')
    .meta({
      description:
        'An API key of the Resend team. `Sending access` is enough to send; account checks and look-ups need `Full access`.',
      kind: 'text',
      secret: true,
    }),
  webhook_secret: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]{16,}={0,2}$/, 'is no signing secret: copy it from the webhook’s page (whsec_…)')
    .optional()
    .meta({
      description: 'The signing secret of the webhook; without it no webhook is believed.',
      kind: 'text',
      secret: true,
    }),
  base_url: converted(toHttpUrl, 'is no address of an API: write scheme, host and port, such as https://api.resend.com')
    .meta({ kind: 'URL' })
    .prefault('https://api.resend.com')
    .meta({ description: 'Where the API is, if not at Resend; `/emails` and the other paths are added.' }),
});

/** The settings of one Resend account, parsed: times in milliseconds, rates per second. */
export type ResendSettings = z.output<typeof resendSettings>;
