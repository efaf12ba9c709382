// The golden payloads as words: what the providers say, made to be about any message.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const listeners = ['mandrill', 'ses', 'postmark', 'sendgrid', 'mailgun', 'resend'] as const;
/** A provider with webhooks. */
export type Listener = (typeof listeners)[number];

/** What a payload is to be about. */
export interface About {
  /** Our message id, and the provider's. */
  readonly id: string;
  readonly theirs: string;
  /** Who takes the place of the first reader in the golden payload, and of the second. */
  readonly readers: readonly [string, ...string[]];
  /** Tells this event from others of its kind: it goes into whatever the provider numbers its events with. */
  readonly mark?: number;
  /** How much later it happens than in the golden payload. Whole seconds, in ms. */
  readonly laterMs?: number;
}

/** One golden payload. */
export interface Word {
  readonly from: Listener;
  readonly file: string;
  /** The payload as JSON: Mandrill's and Mailgun's without what goes around it, that of SES without the envelope of SNS. */
  readonly say: (about: About) => string;
}

const folder = join(import.meta.dirname, '../providers/golden');
const theirs: Record<Listener, string> = {
  mandrill: 'b9c1d2e3f4a5460798a1b2c3d4e5f607',
  ses: '0107019a2b3c4d5e-1f2e3d4c-5b6a-4978-8a9b-0c1d2e3f4a5b-000000',
  postmark: '883953f4-6105-42a2-a16a-77a8eac79483',
  sendgrid: 'yNhpRwFNQNGBb2Vq0xjfkw',
  // Ours: the adapter gives the mail its Message-ID.
  mailgun: 'em_01JD0000000000000000000001@acme.example',
  resend: '56761188-7520-42d8-8898-ff6fc54ce618',
};
const numbers = new Set(['sg_event_id', 'id', 'ID', 'feedbackId']);
const times = new Set(['ts', 'timestamp', 'created_at', 'DeliveredAt', 'BouncedAt', 'ReceivedAt', 'ChangedAt']);

/** Every golden payload of one provider. */
export function wordsOf(from: Listener): Word[] {
  return readdirSync(join(folder, from)).map((file) => {
    const { webhook, message, 'event-data': data } = JSON.parse(readFileSync(join(folder, from, file), 'utf8'));
    const text = JSON.stringify(webhook ?? message ?? data);
    return { from, file, say: (about) => retell(text, from, about) };
  });
}

/** One of them. */
export function wordOf(from: Listener, file: string): Word {
  const word = wordsOf(from).find((one) => one.file === file);
  if (!word) throw new Error(`there is no golden payload ${from}/${file}`);
  return word;
}

function retell(text: string, from: Listener, { id, theirs: by, readers, mark = 0, laterMs = 0 }: About): string {
  const [first, second = 'stranger@example.com'] = readers;
  const about = text
    .replaceAll(theirs[from], by)
    .replace(/em_01j[0-9a-z]{23}/gi, id)
    .replaceAll('ada@example.com', first)
    .replaceAll('bob@example.com', second);
  return JSON.stringify(
    JSON.parse(about, (key, value: unknown) => {
      if (numbers.has(key)) return typeof value === 'number' ? mark : `${value}-${mark}`;
      if (!times.has(key)) return value;
      return typeof value === 'number' ? value + laterMs / 1_000 : later(String(value), laterMs);
    }),
  );
}

function later(time: string, byMs: number): string {
  return byMs === 0 ? time : new Date(Date.parse(time) + byMs).toISOString();
}
