// A pretended SendGrid: as strict as the real one is known to be, and it keeps what it answers 202 for.
import { createHash } from 'node:crypto';
import { type SendgridSettings, sendgridSettings } from '../../providers/sendgrid/settings.ts';
import { type HttpReply, type HttpServer, type ReceivedRequest, startHttpServer } from '../support/http-server.ts';

export const sendgridKey = 'SG.made-up-key.not-a-real-one-0123456789';

interface Person {
  readonly email: string;
  readonly name?: string;
}

/** A request that was taken, as it came. */
export interface SendgridMail {
  readonly id: string;
  readonly personalizations: readonly {
    readonly to: readonly Person[];
    readonly cc?: readonly Person[];
    readonly bcc?: readonly Person[];
  }[];
  readonly from: Person;
  readonly reply_to_list?: readonly Person[];
  readonly subject: string;
  readonly content: readonly { readonly type: string; readonly value: string }[];
  readonly attachments?: readonly Record<string, string>[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly categories?: readonly string[];
  readonly custom_args?: Readonly<Record<string, string>>;
  readonly tracking_settings?: Readonly<Record<string, { readonly enable: boolean }>>;
}

/** One pretended SendGrid. */
export interface FakeSendgrid extends Pick<HttpServer, 'url' | 'requests' | 'setFault' | 'close'> {
  readonly http: HttpServer;
  readonly mails: readonly SendgridMail[];
  /** What GET of a path answers. */
  readonly answers: Map<string, HttpReply>;
}

/** An answer as SendGrid words it. */
export function errorReply(status: number, message: string, field: string | null = null): HttpReply {
  return json(status, { errors: [{ message, field, help: null }] });
}

export async function startSendgrid(): Promise<FakeSendgrid> {
  const mails: SendgridMail[] = [];
  const answers = new Map<string, HttpReply>([
    ['/v3/scopes', json(200, { scopes: ['mail.send', 'user.credits.read'] })],
    ['/v3/user/credits', json(200, { remain: 60, total: 100, overage: 0, used: 40 })],
  ]);
  const http = await startHttpServer({ handler: (request) => handle(request, mails, answers) });
  const { url, requests, setFault, close } = http;
  return { http, url, requests, setFault, close, mails, answers };
}

/** Settings that reach `at`. */
export function sendgridTestSettings(
  at: { url: string },
  more: Partial<Record<keyof SendgridSettings, unknown>> = {},
): SendgridSettings {
  return sendgridSettings.parse({ type: 'sendgrid', api_key: sendgridKey, base_url: at.url, ...more });
}

/** Whom a request was to reach, envelope by envelope. */
export function everybody({ personalizations }: Pick<SendgridMail, 'personalizations'>): string[] {
  return personalizations.flatMap(({ to, cc = [], bcc = [] }) => [...to, ...cc, ...bcc].map(({ email }) => email));
}

/** An answer in JSON. */
export function json(status: number, body: unknown): HttpReply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function handle(request: ReceivedRequest, mails: SendgridMail[], answers: ReadonlyMap<string, HttpReply>): HttpReply {
  const { authorization, accept } = request.headers;
  if (authorization === undefined) return errorReply(401, 'authorization required');
  if (authorization !== `Bearer ${sendgridKey}`)
    return errorReply(401, 'The provided authorization grant is invalid, expired, or revoked');
  if (accept !== 'application/json') return errorReply(406, 'missing Accept header');
  if (request.method === 'GET') return answers.get(request.path) ?? errorReply(404, 'not found');
  if (request.path !== '/v3/mail/send') return errorReply(404, 'not found');
  if (request.method !== 'POST') return errorReply(405, 'method not allowed');
  if (request.headers['content-type'] !== 'application/json') return errorReply(415, 'unsupported media type');
  let sent: SendgridMail;
  try {
    sent = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(request.body));
  } catch {
    return errorReply(400, 'Bad Request');
  }
  const fault = faultOf(sent);
  if (fault) return errorReply(400, ...fault);
  const id = createHash('sha256').update(`${mails.length}`).digest('base64url').slice(0, 22);
  mails.push({ ...sent, id });
  return { status: 202, headers: { 'x-message-id': id } };
}

// https://www.twilio.com/docs/sendgrid/api-reference/mail-send/errors, as far as it concerns what we send.
function faultOf(mail: SendgridMail): [message: string, field: string | null] | null {
  const envelopes = mail.personalizations ?? [];
  if (envelopes.length === 0) return ['You must have at least one personalization.', 'personalizations'];
  for (const [at, envelope] of envelopes.entries()) {
    if (!envelope.to?.length)
      return ['The to array is required for all personalization objects.', `personalizations.${at}.to`];
    const seen = new Set<string>();
    for (const list of ['to', 'cc', 'bcc'] as const) {
      if (envelope[list]?.length === 0)
        return [`The ${list} array must not be empty.`, `personalizations.${at}.${list}`];
      for (const [index, { email, name }] of (envelope[list] ?? []).entries()) {
        const field = `personalizations.${at}.${list}.${index}.email`;
        if (!isAddress(email)) return ['Does not contain a valid address.', field];
        // What became of such names: the mail went to a part of them.
        if (name !== undefined && /[,;]/.test(name) && !/^".*"$/.test(name))
          throw new Error(`mailed to a part of the name ${name}`);
        if (seen.size === seen.add(email.toLowerCase()).size)
          return [
            'Each email address in the personalization block should be unique between to, cc, and bcc.',
            `personalizations.${at}`,
          ];
      }
    }
  }
  if (everybody(mail).length > 1_000)
    return ['There is a limit of 1000 total recipients (to + cc + bcc) per request.', 'personalizations'];
  if (!isAddress(mail.from?.email)) return ['The from object must be provided for every email send.', 'from.email'];
  if (mail.reply_to_list?.length === 0) return ['The reply_to_list must not be empty.', 'reply_to_list'];
  if (typeof mail.subject !== 'string' || mail.subject === '') return ['The subject is required.', 'subject'];
  if (!mail.content?.length) return ['There must be at least one defined content block.', 'content'];
  for (const [at, { type, value }] of mail.content.entries()) {
    if (!value) return ['The content value must be a string at least one character in length.', `content.${at}.value`];
    if (/[;\r\n]/.test(type)) return ["Cannot contain ';', or CRLF characters.", `content.${at}.type`];
  }
  if (mail.content.length > 1 && mail.content[0]?.type !== 'text/plain')
    return ['text/plain needs to be first', 'content'];
  for (const [at, file] of (mail.attachments ?? []).entries()) {
    const { content = '', type = '', filename, disposition = '', content_id: id = '' } = file;
    if (content === '')
      return ['The attachment content must be a string at least one character in length.', `attachments.${at}.content`];
    if (Buffer.from(content, 'base64').toString('base64') !== content)
      return ['The attachment content must be base64 encoded.', `attachments.${at}.content`];
    if (type === '' || /[;\r\n]/.test(type))
      return ["The attachment type cannot contain ';', or CRLF characters.", `attachments.${at}.type`];
    if (!filename) return ['filename is required.', `attachments.${at}.filename`];
    if (!['inline', 'attachment'].includes(disposition))
      return ['The disposition can be inline or attachment.', `attachments.${at}.disposition`];
    if (/[;,\s]/.test(id))
      return ['The content ID of your attachment cannot contain CRLF characters.', `attachments.${at}.content_id`];
  }
  const headers = Object.entries(mail.headers ?? {});
  if (headers.some(([, value]) => typeof value !== 'string')) return ['The header values must be strings.', 'headers'];
  if (headers.some(([name]) => !/^[\x21-\x7e]+$/.test(name)))
    return ['Header keys cannot contain non-ASCII characters and empty spaces.', 'headers'];
  if (headers.some(([name]) => reserved.includes(name.toLowerCase())))
    return ['Header can not be one of the reserved keys.', 'headers'];
  if (headers.some(([, value]) => !/^[\t\x20-\x7e]*$/.test(value)))
    throw new Error('a header that is not ASCII breaks the mail');
  const categories = mail.categories ?? [];
  if (categories.length > 10) return ['There is a limit of 10 categories for each email that is sent.', 'categories'];
  if (categories.some((one) => one.length > 255))
    return ['Each category must not be longer than 255 characters.', 'categories'];
  if (new Set(categories).size < categories.length) return ['The categories must be a unique list.', 'categories'];
  if (categories.some((one) => !/^[\x20-\x7e]+$/.test(one)))
    return ['Categories can not contain non-ASCII characters.', 'categories'];
  const own = Object.values(mail.custom_args ?? {});
  if (own.some((value) => typeof value !== 'string')) return ['Bad Request', null];
  if (Buffer.byteLength(JSON.stringify(mail.custom_args ?? {})) >= 10_000)
    return ['custom_args may not exceed 10,000 bytes.', 'custom_args'];
  return null;
}

const reserved = [
  'x-sg-id',
  'x-sg-eid',
  'received',
  'dkim-signature',
  'content-type',
  'content-transfer-encoding',
].concat(['to', 'from', 'subject', 'reply-to', 'cc', 'bcc']);

function isAddress(address: unknown): boolean {
  return typeof address === 'string' && /^[^\s@<>]+@[^\s@<>]+\.[^\s@<>]+$/.test(address);
}
