// Settings of a SendGrid account.
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { converted, toHttpUrl } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Schema of `type: sendgrid`. */
export const sendgridSettings = z.strictObject({
  type: z.literal('sendgrid').meta({ description: 'SendGrid, by its HTTP API (v3).' }),
  ...commonSettings,
  api_key: z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'is no API key: write it as SendGrid showed it (SG.…), without spaces')
    .meta({ description: 'An API key that may send mail (scope `mail.send`).', kind: 'text', secret: true }),
  webhook_public_key: z
    .string()
    .refine(isPublicKey, 'is no verification key: copy it from the Event Webhook settings (base64, begins with MFkw)')
    .optional()
    .meta({
      description: 'The verification key of the signed Event Webhook; without it no webhook is believed.',
      kind: 'text',
    }),
  base_url: converted(
    toHttpUrl,
    'is no address of an API: write scheme, host and port, such as https://api.sendgrid.com',
  )
    .meta({ kind: 'URL' })
    .prefault('https://api.sendgrid.com')
    .meta({
      description:
        'Where the API is, if not there: https://api.eu.sendgrid.com for EU subusers; `/v3/mail/send` and the other paths are added.',
    }),
});

/** The settings of one SendGrid account, parsed: times in milliseconds, rates per second. */
export type SendgridSettings = z.output<typeof sendgridSettings>;

function isPublicKey(base64: string): boolean {
  try {
    const key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ec';
  } catch {
    return false;
  }
}
