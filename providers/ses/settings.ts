// Settings of Amazon SES.
import { z } from 'zod';
import { whenSection } from '../../config/fields.ts';
import { commonSettings } from '../settings.ts';

/** Schema of `type: ses`. Without keys the SDK looks for them as every AWS tool does: environment, profile, role of the machine. */
export const sesSettings = z
  .strictObject({
    type: z.literal('ses').meta({ description: 'Amazon SES, by its API (version 1, `SendRawEmail`).' }),
    ...commonSettings,
    region: z
      .string()
      .regex(/^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/, 'is no region: write its code, such as us-east-1')
      .meta({
        description: 'The region whose SES sends, such as `us-east-1`: identities and quotas belong to one.',
        kind: 'text',
      }),
    access_key_id: key().optional().meta({
      description:
        "The access key of an IAM user; with `secret_access_key`, or neither: then the SDK's default chain is asked (environment, profile, role of the machine).",
    }),
    secret_access_key: key()
      .optional()
      .meta({ description: 'The secret of `access_key_id`; with it, or neither.', secret: true }),
    session_token: key()
      .optional()
      .meta({ description: 'The session token of temporary keys; they stop working when it expires.', secret: true }),
    configuration_set: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,64}$/, 'is no configuration set: use up to 64 letters, digits, _ and -')
      .meta({ kind: 'text' })
      .optional()
      .meta({
        description: 'The configuration set to send with: its event destination tells what became of the mail.',
      }),
    sns_topic_arns: z
      .array(
        z
          .string()
          .regex(
            /^arn:aws(-[a-z]+)?:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}$/,
            'is no ARN of an SNS topic: write it whole, such as arn:aws:sns:us-east-1:123456789012:mail-events',
          )
          .meta({ kind: 'ARN' }),
      )
      .prefault([])
      .meta({
        description:
          'The SNS topics whose events are believed; their `SignatureVersion` must be 2. Empty: webhooks are refused.',
      }),
    endpoint: z
      .string()
      .refine(
        isOrigin,
        'is no address of a server: write scheme, host and perhaps a port, such as https://ses.example.net',
      )
      .meta({ kind: 'URL' })
      .optional()
      .meta({ description: "Where SES is reached, if not at the region's public address: scheme, host and port." }),
  })
  .refine((settings) => (settings.access_key_id === undefined) === (settings.secret_access_key === undefined), {
    ...whenSection,
    path: ['secret_access_key'],
    error: "goes together with `access_key_id`: set both, or neither to use the SDK's default chain",
  })
  .refine((settings) => settings.session_token === undefined || settings.access_key_id !== undefined, {
    ...whenSection,
    path: ['session_token'],
    error: 'belongs to `access_key_id` and `secret_access_key`: set all three, or leave it out',
  });

/** The settings of one SES account, parsed: times in milliseconds, rates per second. */
export type SesSettings = z.output<typeof sesSettings>;

// They go into headers.
function key() {
  return z
    .string()
    .regex(/^[\x21-\x7e]+$/, 'is no key: write it as AWS shows it, without spaces, or leave the line out')
    .meta({ kind: 'text' });
}

function isOrigin(written: string): boolean {
  if (!/^https?:\/\//.test(written) || !URL.canParse(written)) return false;
  const { username, password, search, hash, pathname } = new URL(written);
  return pathname === '/' && [username, password, search, hash].every((part) => part === '');
}
