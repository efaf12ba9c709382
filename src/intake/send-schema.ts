// The JSON of one send: its fields, their types and their meaning. Validation and the OpenAPI both come from here.
//
// Types only: whether an address, a time or a header is good is `toDraft`'s to say, so that the numbers that the settings may change
// are in one place. No pattern on long strings: V8 runs out of stack on a repeated group over megabytes of base64.
import { z } from 'zod';

/** Far above every real limit: what is larger is refused before zod makes an issue of each entry (5 million numbers fit into 10 MB). */
const maxEntries = 1_000;
/** Keys that mean something to JavaScript objects; refused everywhere, whoever parsed the JSON. */
const prototypeKeys = new Set(['__proto__', 'constructor', 'prototype']);

/** A fault in a send's shape: where, and the end of a sentence that begins with the field. */
export interface ShapeFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** What has to hold before anything walks through `input`: no prototype keys, no lists or objects of absurd length. */
export function shapeFaults(input: unknown): ShapeFault[] {
  const faults: ShapeFault[] = [];
  const look = (value: unknown, path: readonly PropertyKey[]): void => {
    if (typeof value !== 'object' || value === null || faults.length > maxEntries) return;
    const keys = Array.isArray(value) ? [] : Object.keys(value);
    const size = Array.isArray(value) ? value.length : keys.length;
    if (size > maxEntries) faults.push({ path, message: `has ${size} entries, far too many.` });
    else if (Array.isArray(value)) for (const [index, item] of value.entries()) deeper(item, [...path, index]);
    else for (const [key, item] of Object.entries(value)) deeper(item, [...path, key]);
  };
  const deeper = (item: unknown, path: readonly PropertyKey[]): void => {
    const key = path.at(-1);
    if (typeof key === 'string' && prototypeKeys.has(key)) faults.push({ path, message: 'is not allowed as a key.' });
    // A send is three deep at most (`attachments[0].content`).
    else if (path.length < 3) look(item, path);
  };
  look(input, []);
  return faults;
}

const addressExample = 'Acme <hello@acme.example>';

const oneOrMore = (description: string, examples: readonly (string | readonly string[])[]) =>
  z
    .union([z.string(), z.array(z.string())])
    .optional()
    .meta({ description, examples });

const attachment = z
  .strictObject({
    filename: z.string().meta({
      description: 'Name the reader sees: at most 255 characters, no / and no \\.',
      examples: ['invoice.pdf'],
    }),
    content: z.string().meta({
      description: 'The file in base64: the standard alphabet with padding, no line breaks.',
      contentEncoding: 'base64',
      examples: ['SGVsbG8K'],
    }),
    content_type: z
      .string()
      .optional()
      .meta({
        description:
          'Media type, with a charset at most; by the file name’s extension when absent. multipart/… and message/… are refused.',
        examples: ['application/pdf', 'text/csv; charset=utf-8'],
      }),
    content_id: z
      .string()
      .optional()
      .meta({
        description: 'Shows the file inline where the HTML says cid:<content_id>; without angle brackets.',
        examples: ['logo'],
      }),
  })
  .meta({ description: 'A file that travels with the mail.' });

const tag = z.strictObject({
  name: z.string().meta({ description: '1 to 256 characters.', examples: ['category'] }),
  value: z.string().meta({ description: '1 to 256 characters.', examples: ['password_reset'] }),
});

const fields = z.strictObject({
  from: z.string().meta({
    description: 'Sender: an address, or Name <address>. It has to be on the allow-list of the service and of the key.',
    examples: [addressExample],
  }),
  to: z.union([z.string(), z.array(z.string())]).meta({
    description:
      'Recipients, at least one; to, cc and bcc hold at most 50 by default. One address per entry, no lists.',
    examples: ['ada@example.com', ['Ada Lovelace <ada@example.com>', 'grace@example.com']],
  }),
  cc: oneOrMore('Recipients of a copy that everyone sees.', [['team@example.com']]),
  bcc: oneOrMore('Recipients of a copy that no one else sees.', [['archive@acme.example']]),
  reply_to: oneOrMore('Where answers go.', ['support@acme.example']),
  subject: z.string().meta({ description: 'At most 998 characters, on one line.', examples: ['Reset your password'] }),
  text: z
    .string()
    .optional()
    .meta({
      description: 'Body as plain text. text, html or both are needed.',
      examples: ['Open https://acme.example/reset/abc within 30 minutes.'],
    }),
  html: z
    .string()
    .optional()
    .meta({
      description: 'Body as HTML. text, html or both are needed.',
      examples: ['<p>Open <a href="https://acme.example/reset/abc">this link</a> within 30 minutes.</p>'],
    }),
  headers: z
    .record(z.string(), z.string())
    .optional()
    .meta({
      description:
        'Extra headers by name: List-…, X-… and a few standard ones; none that says who sent the mail, where it goes or how a provider treats it. Values of at most 2,000 characters.',
      examples: [{ 'List-Unsubscribe': '<https://acme.example/unsubscribe/abc>', 'X-Entity-Ref-ID': 'order-1234' }],
    }),
  attachments: z.array(attachment).optional().meta({ description: 'Files, at most 50 by default.' }),
  tags: z
    .array(tag)
    .optional()
    .meta({
      description: 'At most 50 name and value pairs for your own statistics, each name once.',
      examples: [[{ name: 'category', value: 'password_reset' }]],
    }),
  metadata: z
    .record(z.string(), z.string())
    .optional()
    .meta({
      description:
        'At most 50 strings of yours by name (64 characters), given back with the message. Values of at most 1,024 characters.',
      examples: [{ user_id: '42' }],
    }),
  stream: z
    .string()
    .optional()
    .meta({
      description:
        'Which of the configured streams carries the mail: its providers, its priority. `default` when absent.',
      examples: ['critical'],
    }),
  scheduled_at: z
    .string()
    .optional()
    .meta({
      description: 'When to send, ISO 8601 with an offset; at once when absent or past.',
      format: 'date-time',
      examples: ['2026-11-05T14:30:00Z'],
    }),
  expires_in: z
    .string()
    .optional()
    .meta({
      description:
        'How long the mail is worth sending, counted from now or from scheduled_at (`30s`, `15m`, `2h`, `3d`); afterwards it is dropped as expired. The stream’s own when absent. Not together with expires_at.',
      examples: ['30m'],
    }),
  expires_at: z
    .string()
    .optional()
    .meta({
      description: 'When the mail is no longer worth sending, ISO 8601 with an offset. Not together with expires_in.',
      format: 'date-time',
      examples: ['2026-11-05T15:00:00Z'],
    }),
  on_unknown: z
    .enum(['resend', 'hold'])
    .optional()
    .meta({
      description:
        'When nobody can tell whether a provider sent the mail: `resend` tries the next one and may send it twice, `hold` waits for an operator. The stream’s own when absent.',
      examples: ['resend'],
    }),
});

/** Body of `POST /v1/emails`. Unknown keys are faults. It says nothing about values: `toDraft` does, and calls this first. */
export const sendSchema = z
  .preprocess((input, context) => {
    for (const { path, message } of shapeFaults(input)) context.addIssue({ code: 'custom', path: [...path], message });
    return input;
  }, fields)
  .meta({ description: 'One mail to send.' });

/** What `sendSchema` lets through. */
export type SendInput = z.output<typeof sendSchema>;

/** A send of which some parts were of the wrong type and are gone; what is left is checked all the same. */
type Holes<T> = T extends string | number
  ? T | undefined
  : T extends readonly (infer Item)[]
    ? readonly Holes<Item>[] | undefined
    : { readonly [Key in keyof T]?: Holes<T[Key]> | undefined } | undefined;
/** A send as the checks get it: what was of the wrong type is `undefined`. */
export type Send = NonNullable<Holes<SendInput>>;
