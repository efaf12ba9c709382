// A pretended Mandrill, as strict as its reference: what it takes is what the real one would have taken.
import { createHmac, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type MandrillSettings, mandrillSettings } from '../../providers/mandrill/settings.ts';
import {
  type HttpReply,
  type HttpServer,
  type HttpServerOptions,
  type ReceivedRequest,
  startHttpServer,
} from '../support/http-server.ts';

export const apiKey = 'md-made-up-Key_1234567';
export const webhookKey = 'made-up-webhook-key-22';
/** With a login, a query and a port: the signature covers all of it. */
export const webhookUrl = 'https://hook:made-up@mail.acme.example:8443/webhooks/mailchimp?a=1&b=%20';

/** A mail as Mandrill keeps it: one copy for each recipient. */
export interface TakenMail {
  readonly id: string | null;
  readonly recipients: readonly string[];
  readonly message: RawMessage;
}

/** How Mandrill answers for one recipient in place of `sent`. */
export interface Lot {
  readonly status: string;
  readonly reject_reason?: string | null;
  readonly queued_reason?: string | null;
}

/** One pretended account; tests change what it knows. */
export interface FakeMandrill extends Pick<HttpServer, 'url' | 'requests' | 'setFault' | 'close'> {
  readonly http: HttpServer;
  readonly taken: readonly TakenMail[];
  /** By recipient in lower case; `*` is everybody else. */
  readonly lots: Map<string, Lot>;
  /** Fields of /users/info in place of the usual ones. */
  readonly user: Record<string, unknown>;
  /** What /messages/info and /messages/search know, by Mandrill's id. Nothing gets in here by itself: the real index lags, too. */
  readonly index: Map<string, Record<string, unknown>>;
}

const file = z.strictObject({
  type: z.string().regex(/^[\w.+-]+\/[\w.+-]+/),
  name: z.string().min(1),
  content: z.base64(),
});

// Every field of the reference (mailchimp-client-lib-codegen 1.4.1, spec/transactional.json), and no other: a misspelled one would be
// passed over in silence there.
const messageSchema = z.strictObject({
  html: z.string().optional(),
  text: z.string().optional(),
  subject: z.string().optional(),
  from_email: z.string().regex(/^[^@\s]+@[^@\s]+$/),
  from_name: z.string().optional(),
  to: z
    .array(
      z.strictObject({
        email: z.string().regex(/^[^@\s]+@[^@\s]+$/),
        name: z.string().optional(),
        type: z.enum(['to', 'cc', 'bcc']).optional(),
      }),
    )
    .min(1),
  headers: z.record(z.string().regex(/^[!-9;-~]+$/), z.string().regex(/^[\t\x20-\x7e]*$/)).optional(),
  important: z.boolean().optional(),
  track_opens: z.boolean().optional(),
  track_clicks: z.boolean().optional(),
  auto_text: z.boolean().optional(),
  auto_html: z.boolean().optional(),
  inline_css: z.boolean().optional(),
  url_strip_qs: z.boolean().optional(),
  preserve_recipients: z.boolean(),
  view_content_link: z.boolean().optional(),
  bcc_address: z.string().optional(),
  tracking_domain: z.string().optional(),
  signing_domain: z.string().optional(),
  return_path_domain: z.string().optional(),
  merge: z.boolean().optional(),
  merge_language: z.enum(['mailchimp', 'handlebars']).optional(),
  global_merge_vars: z.array(z.unknown()).optional(),
  merge_vars: z.array(z.unknown()).optional(),
  tags: z.array(z.string().min(1).max(50).regex(/^[^_]/)).optional(),
  subaccount: z.string().optional(),
  metadata: z
    .record(z.string().regex(/^[^_]/), z.union([z.string(), z.number(), z.boolean(), z.null()]))
    .refine((metadata) => Buffer.byteLength(JSON.stringify(metadata)) <= 250)
    .optional(),
  recipient_metadata: z.array(z.unknown()).optional(),
  attachments: z.array(file).optional(),
  images: z.array(file.refine(({ type }) => type.startsWith('image/'))).optional(),
});

type RawMessage = z.output<typeof messageSchema>;

const sendSchema = z.strictObject({
  key: z.string(),
  message: messageSchema,
  async: z.boolean().optional(),
  ip_pool: z.string().optional(),
  send_at: z.string().optional(),
});
const infoSchema = z.strictObject({ key: z.string(), id: z.string() });
const searchSchema = z.strictObject({
  key: z.string(),
  query: z.string(),
  date_from: z.iso.date(),
  date_to: z.iso.date(),
  tags: z.array(z.string()).optional(),
  senders: z.array(z.string()).optional(),
  limit: z.int().min(1).max(1_000).optional(),
});

function json(status: number, body: unknown): HttpReply {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) };
}

/** An error as Mandrill words it. Most come with 500. */
export function mandrillError(name: string, message: string, code = -1, status = 500): HttpReply {
  return json(status, { status: 'error', code, name, message });
}

/** A signature as Mandrill makes it. */
export function sign(fields: Readonly<Record<string, string>>, key = webhookKey, url = webhookUrl): string {
  const text = Object.keys(fields)
    .sort()
    .reduce((before, name) => before + name + fields[name], url);
  return createHmac('sha1', key).update(text).digest('base64');
}

/** Settings that reach `server`. */
export function mandrillTestSettings(
  server: { readonly url: string },
  more: Partial<Record<keyof MandrillSettings, unknown>> = {},
): MandrillSettings {
  const base_url = `${server.url}/api/1.0`;
  return mandrillSettings.parse({ type: 'mandrill', api_key: apiKey, base_url, ...more });
}

/** Starts one. */
export async function startMandrill(options: Pick<HttpServerOptions, 'tls'> = {}): Promise<FakeMandrill> {
  const taken: TakenMail[] = [];
  const lots = new Map<string, Lot>();
  const user: Record<string, unknown> = {};
  const index = new Map<string, Record<string, unknown>>();

  function send(body: unknown): HttpReply {
    const parsed = sendSchema.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { message } = parsed.data;
    const entries = message.to.map(({ email }) => {
      const { status, reject_reason = null, queued_reason = null } = lotOf(email, message);
      const _id = randomUUID().replaceAll('-', '');
      return { email, status, reject_reason, ...(status === 'queued' && { queued_reason }), _id };
    });
    const kept = entries.filter(({ status }) => ['sent', 'queued', 'scheduled'].includes(status));
    if (kept.length > 0) {
      const id = message.metadata?.mailover_id;
      taken.push({ id: typeof id === 'string' ? id : null, recipients: kept.map(({ email }) => email), message });
    }
    return json(200, entries);
  }

  function lotOf(email: string, { to, attachments = [] }: RawMessage): Lot {
    const lot = lots.get(email.toLowerCase()) ?? lots.get('*');
    if (lot) return lot;
    if (to.length > 10) return { status: 'queued', queued_reason: 'multiple-recipients' };
    return attachments.length > 0 ? { status: 'queued', queued_reason: 'attachments' } : { status: 'sent' };
  }

  function search(body: unknown): HttpReply {
    const parsed = searchSchema.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const { query, date_from, date_to } = parsed.data;
    // `a OR "b"`: our metadata is not among what this account has indexed, so only words count.
    const words = query.split(' OR ').map((word) => word.replace(/^"(.*)"$/, '$1').toLowerCase());
    const from = Date.parse(date_from) / 1_000;
    const to = Date.parse(date_to) / 1_000 + 86_400;
    const found = [...index.values()].filter(
      ({ email, ts }) => words.includes(String(email).toLowerCase()) && Number(ts) >= from && Number(ts) < to,
    );
    return json(200, found);
  }

  function info(body: unknown): HttpReply {
    const parsed = infoSchema.safeParse(body);
    if (!parsed.success) return invalid(parsed.error);
    const known = index.get(parsed.data.id);
    return known
      ? json(200, known)
      : mandrillError('Unknown_Message', `No message exists with the id '${parsed.data.id}'`, 11);
  }

  const calls: Record<string, (body: unknown) => HttpReply> = {
    '/messages/send': send,
    '/messages/info': info,
    '/messages/search': search,
    '/users/info': () =>
      json(200, {
        username: 'acme',
        reputation: 82,
        hourly_quota: 2_500,
        backlog: 0,
        stats: { today: { sent: 12 } },
        ...user,
      }),
  };

  function handler({ method, path, headers, body }: ReceivedRequest): HttpReply {
    const call = calls[/^\/api\/1\.\d(\/[a-z-]+\/[a-z-]+)(\.json)?$/.exec(path)?.[1] ?? ''];
    if (method !== 'POST' || !call)
      return { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>404</h1>' };
    if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return noKey();
    const text = body.toString('utf8');
    const parsed: unknown = JSON.parse(text);
    const key = (parsed as { key?: unknown }).key;
    if (typeof key !== 'string') return noKey();
    return key === apiKey ? call(parsed) : mandrillError('Invalid_Key', 'Invalid API key');
  }

  const http = await startHttpServer({ handler, ...options });
  return {
    http,
    url: http.url,
    requests: http.requests,
    setFault: http.setFault,
    close: http.close,
    taken,
    lots,
    user,
    index,
  };
}

function noKey(): HttpReply {
  return mandrillError('ValidationError', 'You must specify a key value');
}

function invalid(error: z.ZodError): HttpReply {
  return mandrillError(
    'ValidationError',
    `Validation error: ${error.issues.map(({ path }) => path.join('.')).join(', ')}`,
    -2,
  );
}
