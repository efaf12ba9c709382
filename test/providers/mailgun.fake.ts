// A pretended Mailgun: as strict as the real one is known to be, and it keeps what it answers 200 for.
import { addressParser } from 'postal-mime';
import { type MailgunSettings, mailgunSettings } from '../../providers/mailgun/settings.ts';
import { type HttpReply, type HttpServer, type ReceivedRequest, startHttpServer } from '../support/http-server.ts';

export const mailgunKey = 'made-up-0123456789abcdef-mailgun';
export const mailgunDomain = 'mg.acme.example';

/** A mail that was taken. `envelope`: everyone it goes to; `shown`: what each of them sees in To and Cc. */
export interface MailgunMail {
  readonly id: string | null;
  readonly messageId: string;
  readonly envelope: readonly string[];
  readonly shown: (reader: string) => readonly string[];
  /** All text fields, in their order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly files: readonly {
    readonly field: string;
    readonly filename: string;
    readonly type: string;
    readonly content: Buffer;
  }[];
}

/** One pretended Mailgun. */
export interface FakeMailgun extends Pick<HttpServer, 'url' | 'requests' | 'setFault' | 'close'> {
  readonly http: HttpServer;
  readonly mails: readonly MailgunMail[];
  /** What GET of a path, without its query, answers. */
  readonly answers: Map<string, HttpReply>;
  /** What GET of the events finds, filtered as Mailgun does. */
  readonly events: Record<string, unknown>[];
}

export async function startMailgun(): Promise<FakeMailgun> {
  const mails: MailgunMail[] = [];
  const events: Record<string, unknown>[] = [];
  const domain = `/v4/domains/${mailgunDomain}`;
  const answers = new Map<string, HttpReply>([
    [domain, json(200, { domain: { name: mailgunDomain, state: 'active', is_disabled: false } })],
    [
      `/v3/domains/${mailgunDomain}/sending_queues`,
      json(200, { regular: { is_disabled: false }, scheduled: { is_disabled: false } }),
    ],
  ]);
  const http = await startHttpServer({ handler: (request) => handle(request, mails, answers, events) });
  const { url, requests, setFault, close } = http;
  return { http, url, requests, setFault, close, mails, answers, events };
}

/** Settings that reach `at`. */
export function mailgunTestSettings(
  at: { url: string },
  more: Partial<Record<keyof MailgunSettings, unknown>> = {},
): MailgunSettings {
  return mailgunSettings.parse({
    type: 'mailgun',
    api_key: mailgunKey,
    domain: mailgunDomain,
    base_url: at.url,
    ...more,
  });
}

/** An answer in JSON. */
export function json(status: number, body: unknown): HttpReply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/** A refusal as Mailgun words it. */
export function refusal(status: number, message: string): HttpReply {
  return json(status, { message });
}

async function handle(
  request: ReceivedRequest,
  mails: MailgunMail[],
  answers: ReadonlyMap<string, HttpReply>,
  events: readonly Record<string, unknown>[],
): Promise<HttpReply> {
  const { pathname, searchParams } = new URL(request.path, 'http://mailgun');
  const [, domain, what] = /^\/v3\/([^/]+)\/(messages|events)$/.exec(pathname) ?? [];
  if (what === undefined && request.method === 'POST')
    return { status: 200, headers: { 'content-type': 'text/plain' }, body: 'Mailgun Magnificent API' };
  if (request.headers.authorization !== `Basic ${Buffer.from(`api:${mailgunKey}`).toString('base64')}`)
    return { status: 401, headers: { 'content-type': 'text/plain' }, body: 'Forbidden' };
  if (request.method === 'GET' && what !== 'events') return answers.get(pathname) ?? refusal(404, 'not found');
  if (domain !== mailgunDomain) return refusal(404, `Domain not found: ${domain}`);
  if (what === 'events') return answers.get(pathname) ?? json(200, page(events, searchParams));

  const type = request.headers['content-type'] ?? '';
  if (!type.startsWith('multipart/form-data')) return refusal(400, 'content-type must be multipart/form-data');
  let form: FormData;
  try {
    // The parser of Node, so that ours is not judged by itself.
    form = await new Response(request.body, { headers: { 'content-type': type } }).formData();
  } catch {
    return refusal(400, 'the form cannot be read');
  }
  const mail = await read(form);
  if (typeof mail === 'string') return refusal(400, mail);
  mails.push(mail);
  return json(200, { id: mail.messageId, message: 'Queued. Thank you.' });
}

// The errors that the messages API is known to name, as far as they concern what we send.
async function read(form: FormData): Promise<MailgunMail | string> {
  const fields: [string, string][] = [];
  const files: MailgunMail['files'][number][] = [];
  for (const [name, value] of form) {
    if (typeof value === 'string') fields.push([name, value]);
    else
      files.push({
        field: name,
        filename: value.name,
        type: value.type,
        content: Buffer.from(await value.arrayBuffer()),
      });
  }
  const all = (name: string) => fields.filter(([field]) => field === name).map(([, value]) => value);
  const lists = { to: people(all('to')), cc: people(all('cc')), bcc: people(all('bcc')) };
  for (const name of ['from', 'subject']) if (all(name).length !== 1) return `${name} parameter is missing`;
  if (people(all('from'))?.length !== 1) return 'from parameter is not a valid address. please check documentation';
  if (all('to').length === 0) return 'to parameter is missing';
  for (const [name, list] of Object.entries(lists))
    if (list === null) return `'${name}' parameter is not a valid address. please check documentation`;
  const [to, cc, bcc] = [lists.to ?? [], lists.cc ?? [], lists.bcc ?? []];
  const envelope = [...new Set([...to, ...cc, ...bcc])];
  if (envelope.length > 1_000) return 'Too many recipients; max is 1000';
  if (all('text').length + all('html').length === 0)
    return "Need at least one of 'text' or 'html' parameters specified";
  const options = fields.filter(([name]) => /^[ohvt]:/.test(name));
  const size = options.reduce((sum, [name, value]) => sum + Buffer.byteLength(name + value), 0);
  if (size > 16 * 1_024) return 'Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total';
  const header = options.find(([name]) => name.startsWith('h:') && !/^[\x21-\x7e]+$/.test(name))?.[0];
  if (header) return `Header name must be pure ASCII: ${header}`;
  // What Mailgun does not refuse but change, or drop.
  if (options.some(([name, value]) => name.startsWith('h:') && /[^\t\x20-\x7e]/.test(value)))
    throw new Error('a header that is not ASCII');
  if (all('o:tag').length > 10 || all('o:tag').some((tag) => !/^[\x20-\x7e]{1,128}$/.test(tag)))
    throw new Error('a tag that Mailgun drops');
  const known = /^(from|to|cc|bcc|subject|text|html|recipient-variables|o:tag|o:tracking|h:[\w-]+|v:[\w-]+)$/;
  const strange =
    fields.find(([name]) => !known.test(name))?.[0] ??
    files.find(({ field }) => !/^(attachment|inline)$/.test(field))?.field;
  if (strange) throw new Error(`a parameter that Mailgun does not know: ${strange}`);

  const batch = all('recipient-variables').map((text) => JSON.parse(text))[0] !== undefined;
  const messageId = all('h:Message-Id')[0] ?? `<${Date.now()}.${Math.random()}@${mailgunDomain}>`;
  const shown = (reader: string) => (batch && to.includes(reader) ? [reader] : [...to, ...cc]);
  return { id: all('v:mailover_id')[0] ?? null, messageId, envelope, shown, fields, files };
}

/** The addresses in a list; null when one of them is none. */
function people(values: readonly string[]): string[] | null {
  const found = values.flatMap((value) => addressParser(value).map(({ address }) => address ?? ''));
  return found.every((address) => /^[^\s@<>,;"]+@[^\s@<>,;"]+\.[^\s@<>,;"]+$/.test(address)) ? found : null;
}

function page(events: readonly Record<string, unknown>[], query: URLSearchParams): object {
  if (query.get('ascending') !== 'yes') throw new Error('without an end, Mailgun lists backwards from `begin`');
  const id = query.get('message-id');
  const recipients = query.get('recipient')?.split(' OR ');
  const items = events.filter((event) => {
    const { message, recipient, timestamp } = event as {
      message: { headers: Record<string, string> };
      recipient: string;
      timestamp: number;
    };
    return (
      timestamp >= Number(query.get('begin')) &&
      (id === null || message.headers['message-id'] === id) &&
      (recipients === undefined || recipients.includes(recipient))
    );
  });
  return { items: items.slice(0, Math.min(300, Number(query.get('limit')))), paging: {} };
}
