// A pretended Resend: as strict as the real one is known to be, with idempotency keys that work, and it keeps what it answers with an id.
import { createHash, createHmac } from 'node:crypto';
import { addressParser } from 'postal-mime';
import { type ResendSettings, resendSettings } from '../../providers/resend/settings.ts';
import {
  type HttpFault,
  type HttpReply,
  type HttpServer,
  type HttpServerOptions,
  type ReceivedRequest,
  startHttpServer,
} from '../support/http-server.ts';

export const resendKey = 're_MadeUpKey_0123456789abcdef';
export const webhookSecret = `whsec_${Buffer.from('made-up-signing-secret-0').toString('base64')}`;

interface RawFile {
  readonly filename: string;
  readonly content: string;
  readonly content_type?: string;
  readonly content_id?: string;
}

/** A request body as it came. */
export interface RawSend {
  readonly from: string;
  readonly to: readonly string[];
  readonly cc?: readonly string[];
  readonly bcc?: readonly string[];
  readonly reply_to?: readonly string[];
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly attachments?: readonly RawFile[];
  readonly tags?: readonly { readonly name: string; readonly value: string }[];
}

/** A mail that was taken, and goes out once. */
export interface TakenMail {
  /** Resend's id, and ours. */
  readonly emailId: string;
  readonly id: string | null;
  readonly recipients: readonly string[];
  readonly request: RawSend;
  readonly key: string;
  lastEvent: string;
}

export interface FakeResend {
  readonly url: string;
  readonly http: HttpServer;
  readonly taken: readonly TakenMail[];
  /** What got an id and will never go out: files whose type is not that of their name. */
  readonly lost: readonly RawSend[];
  readonly domains: { name: string; status: string }[];
  readonly usage: { daily: { used: number; limit: number | null }; monthly: { used: number; limit: number | null } };
  /** Requests with a mail are worked on until the function it gives is called. */
  hold(): () => void;
  /** Forgets the idempotency keys, as after 24 hours. */
  forget(): void;
  setFault(fault: HttpFault | readonly HttpFault[] | null): void;
  close(): Promise<void>;
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): HttpReply {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

/** An answer as Resend words it. */
export function errorReply(statusCode: number, name: string, message: string, headers = {}): HttpReply {
  return json(statusCode, { statusCode, name, message }, headers);
}

/** Settings that reach `at`. */
export function resendTestSettings(
  at: { url: string },
  more: Partial<Record<keyof ResendSettings, unknown>> = {},
): ResendSettings {
  return resendSettings.parse({ type: 'resend', api_key: resendKey, base_url: at.url, ...more });
}

/** The headers of a webhook with this body, signed at `at`. */
export function signed(
  body: string | Uint8Array,
  at: number,
  { id = 'msg_made_up', secret = webhookSecret, scheme = 'svix' } = {},
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1_000));
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
  return {
    [`${scheme}-id`]: id,
    [`${scheme}-timestamp`]: timestamp,
    [`${scheme}-signature`]: `v1,${signature}`,
  };
}

/** An address alone, out of `Ada <ada@example.com>`; throws for what is not exactly one mailbox. */
export function mailbox(written: string): { name: string; address: string } {
  const [one, ...more] = addressParser(written);
  if (
    !one?.address ||
    one.group ||
    more.length > 0 ||
    !/^[\w!#$%&'*+/=?^`{|}~.-]+@[\w-]+(\.[\w-]+)+$/.test(one.address)
  )
    throw new Error(`not one mailbox: ${written}`);
  return { name: one.name, address: one.address };
}

export async function startResend(options: Pick<HttpServerOptions, 'commit'> = {}): Promise<FakeResend> {
  const taken: TakenMail[] = [];
  const lost: RawSend[] = [];
  const keys = new Map<string, { body: string; reply: HttpReply | null }>();
  const domains = [{ name: 'acme.example', status: 'verified' }];
  const usage = {
    daily: { used: 40, limit: 100 as number | null },
    monthly: { used: 900, limit: 3_000 as number | null },
  };
  let gate: Promise<void> = Promise.resolve();

  async function take(request: ReceivedRequest): Promise<HttpReply> {
    if (request.headers['content-type'] !== 'application/json')
      return errorReply(400, 'validation_error', 'The content type must be application/json.');
    if (request.body.length > 40_000_000) return { status: 413, body: 'Request Entity Too Large' };
    const key = String(request.headers['idempotency-key'] ?? '');
    if (key.length < 1 || key.length > 256)
      return errorReply(400, 'invalid_idempotency_key', 'The key must be between 1-256 chars.');
    const body = new TextDecoder('utf-8', { fatal: true }).decode(request.body);
    const known = keys.get(key);
    if (known && known.body !== body)
      return errorReply(
        409,
        'invalid_idempotent_request',
        'Same idempotency key used with a different request payload.',
      );
    if (known)
      return (
        known.reply ??
        errorReply(
          409,
          'concurrent_idempotent_requests',
          'Same idempotency key used while original request is still in progress.',
        )
      );
    const send = parse(body);
    const fault = send ? faultOf(send, domains) : errorReply(400, 'validation_error', 'The body is not JSON.');
    if (!send || fault) return fault ?? errorReply(500, 'application_error', 'An unexpected error occurred.');

    const entry: { body: string; reply: HttpReply | null } = { body, reply: null };
    keys.set(key, entry);
    await gate;
    const emailId = uuid(`${taken.length}${key}`);
    if (send.attachments?.some(contradicts)) lost.push(send);
    else {
      const id = send.tags?.find(({ name }) => name === 'mailover_id')?.value ?? null;
      taken.push({ emailId, id, recipients: everybody(send), request: send, key, lastEvent: 'sent' });
    }
    entry.reply = json(200, { id: emailId }, { 'ratelimit-limit': '5', 'ratelimit-reset': '1' });
    return entry.reply;
  }

  async function handle(request: ReceivedRequest): Promise<HttpReply> {
    const { authorization } = request.headers;
    if (!request.headers['user-agent']) return { status: 403, body: 'error code: 1010' };
    if (authorization === undefined)
      return errorReply(401, 'missing_api_key', 'Missing API key in the authorization header.');
    if (authorization !== `Bearer ${resendKey}`) return errorReply(401, 'validation_error', 'API key is invalid');
    const { pathname } = new URL(request.path, 'http://fake');
    if (pathname === '/emails')
      return request.method === 'POST'
        ? take(request)
        : errorReply(405, 'method_not_allowed', 'Method is not allowed for the requested path.');
    if (request.method !== 'GET')
      return errorReply(405, 'method_not_allowed', 'Method is not allowed for the requested path.');
    if (pathname === '/domains') return json(200, { object: 'list', has_more: false, data: domains });
    if (pathname === '/usage') return json(200, { object: 'usage', emails: usage });
    const mail = taken.find(({ emailId }) => pathname === `/emails/${emailId}`);
    return mail ? json(200, rawEmail(mail)) : errorReply(404, 'not_found', 'Email not found');
  }

  const http = await startHttpServer({ ...options, handler: handle });
  return {
    url: http.url,
    http,
    taken,
    lost,
    domains,
    usage,
    hold() {
      let open = () => {};
      gate = new Promise((resolve) => {
        open = resolve;
      });
      return open;
    },
    forget: () => keys.clear(),
    setFault: http.setFault,
    close: http.close,
  };
}

/** A mail as GET /emails/{id} shows it. */
export function rawEmail({ emailId, request, lastEvent }: TakenMail): Record<string, unknown> {
  const { from, to, cc = null, bcc = null, subject, text, html = null, tags } = request;
  const created_at = '2026-11-05 16:33:54.907+00';
  return {
    object: 'email',
    id: emailId,
    from,
    to,
    cc,
    bcc,
    subject,
    text,
    html,
    tags,
    created_at,
    last_event: lastEvent,
  };
}

const fields = ['from', 'to', 'cc', 'bcc', 'reply_to', 'subject', 'text', 'html', 'headers', 'attachments', 'tags'];
const wellFormed = 'The email address needs to follow the `email@example.com` or `Name <email@example.com>` format.';

// resend.com/docs/api-reference/emails/send-email and /errors, as far as it concerns what we send.
function faultOf(send: RawSend, domains: readonly { name: string; status: string }[]): HttpReply | null {
  const wrong = (message: string, name = 'validation_error') => errorReply(422, name, message);
  const strange = Object.keys(send).find((field) => !fields.includes(field));
  if (strange) return wrong(`Unknown field \`${strange}\`.`);
  if (typeof send.from !== 'string' || !isMailbox(send.from)) return wrong(`Invalid \`from\` field. ${wellFormed}`);
  const domain = mailbox(send.from).address.split('@')[1];
  if (!domains.some(({ name, status }) => name === domain && status === 'verified'))
    return errorReply(
      403,
      'validation_error',
      `The ${domain} domain is not verified. Please, add and verify your domain.`,
    );
  if (send.to === undefined) return wrong('Missing `to` field.', 'missing_required_field');
  for (const field of ['to', 'cc', 'bcc', 'reply_to'] as const) {
    const list = send[field];
    if (list === undefined) continue;
    if (!Array.isArray(list) || list.length === 0 || !list.every((one) => typeof one === 'string' && isMailbox(one)))
      return wrong(`Invalid \`${field}\` field. ${wellFormed}`);
  }
  if (everybody(send).length > 50) return wrong('The `to` field must not have more than 50 recipients.');
  if (!send.subject) return wrong('Missing `subject` field.', 'missing_required_field');
  if (!send.text && !send.html) return wrong('Missing `html` or `text` field.', 'missing_required_field');
  // Else Resend makes a text of its own.
  if (typeof send.text !== 'string') throw new Error('the text was left to Resend');
  if (Object.values(send.headers ?? {}).some((value) => typeof value !== 'string' || !/^[\t\x20-\x7e]+$/.test(value)))
    return wrong('The `headers` must be strings.');
  for (const { name, value } of send.tags ?? []) {
    if (![name, value].every((text) => /^[A-Za-z0-9_-]{1,256}$/.test(text)))
      return wrong('Tags should only contain ASCII letters, numbers, underscores, or dashes.');
  }
  for (const { filename, content, content_id: id = '' } of send.attachments ?? []) {
    if (!content) return wrong('Attachment must have either a `content` or `path`.', 'invalid_attachment');
    if (Buffer.from(content, 'base64').toString('base64') !== content)
      return wrong('Invalid base64.', 'invalid_attachment');
    if (/\.(exe|js|bat|cer)$/i.test(filename)) return wrong('Unsupported attachment type.', 'invalid_attachment');
    if (id.length >= 128) return wrong('The content id must be less than 128 characters.', 'invalid_attachment');
  }
  return null;
}

// Only some: nobody outside knows all of them.
const typeOf = new Map([
  ['csv', 'text/csv'],
  ['pdf', 'application/pdf'],
  ['png', 'image/png'],
  ['txt', 'text/plain'],
]);

function contradicts({ filename, content_type }: RawFile): boolean {
  if (!filename) return true;
  if (content_type === undefined) return false;
  const byName = typeOf.get(filename.split('.').at(-1)?.toLowerCase() ?? '');
  const type = content_type.split(';')[0] ?? '';
  return byName === undefined ? [...typeOf.values()].includes(type) : byName !== type;
}

function everybody({ to, cc = [], bcc = [] }: RawSend): string[] {
  return [...to, ...cc, ...bcc].map((one) => mailbox(one).address);
}

function isMailbox(written: string): boolean {
  try {
    return mailbox(written).address !== '';
  } catch {
    return false;
  }
}

function parse(body: string): RawSend | null {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

function uuid(seed: string): string {
  const hex = createHash('sha256').update(seed).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}
