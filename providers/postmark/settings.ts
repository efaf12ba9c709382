// Settings of a Postmark server.
import { z } from 'zod';
import { converted, text, toHttpUrl, whenSection } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Schema of `type: postmark`. */
export const postmarkSettings = z
  .strictObject({
    type: z.literal('postmark').meta({ description: 'Postmark, by its HTTP API.' }),
    ...commonSettings,
    server_token: z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'is no token: write the API token of the Postmark server, without spaces')
      .meta({ description: 'The API token of the Postmark server (not of the account).', kind: 'text', secret: true }),
    message_stream: z
      .string()
      .regex(/^[\w.-]+$/, 'is no message stream: write its ID, such as outbound')
      .prefault('outbound')
      .meta({ description: 'The ID of the message stream of that server which carries the mail.', kind: 'text' }),
    webhook_user: text().optional().meta({
      description: 'The user that Postmark’s webhooks sign in with (basic auth); with `webhook_password`, or neither.',
    }),
    webhook_password: text().optional().meta({
      description: 'The password that Postmark’s webhooks sign in with; without it no webhook is believed.',
      secret: true,
    }),
    base_url: converted(
      toHttpUrl,
      'is no address of an API: write scheme, host and port, such as https://api.postmarkapp.com',
    )
      .meta({ kind: 'URL' })
      .prefault('https://api.postmarkapp.com')
      .meta({ description: 'Where the API is, if not at Postmark; `/email` and the other paths are added.' }),
  })
  .refine(({ webhook_user, webhook_password }) => (webhook_user === undefined) === (webhook_password === undefined), {
    ...whenSection,
    path: ['webhook_password'],
    error: 'goes together with `webhook_user`: set both, or neither where no webhooks come in',
  });

/** The settings of one Postmark server, parsed: times in milliseconds, rates per second. */
export type PostmarkSettings = z.output<typeof postmarkSettings>;
