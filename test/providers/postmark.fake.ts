// A pretended Postmark server, as strict as the real one: what it takes is what Postmark would have taken.
import { createHash, randomUUID } from 'node:crypto';
import { addressParser } from 'postal-mime';
import { z } from 'zod';
import { type PostmarkSettings, postmarkSettings } from '../../providers/postmark/settings.ts';
import {
  type HttpReply,
  type HttpServer,
  type HttpServerOptions,
  type ReceivedRequest,
  startHttpServer,
} from '../support/http-server.ts';

export const serverToken = 'made-up-postmark-server-token';

/** A mail as Postmark keeps it. */
export interface TakenMail {
  readonly id: string | null;
  readonly messageId: string;
  readonly recipients: readonly string[];
  readonly request: z.output<typeof emailSchema>;
  readonly receivedAt: string;
}

/** One pretended server; tests change what it knows. */
export interface FakePostmark extends Pick<HttpServer, 'url' | 'requests' | 'setFault' | 'close'> {
  readonly http: HttpServer;
  readonly taken: readonly TakenMail[];
  /** Addresses in lower case that get no mail. */
  readonly inactive: Set<string>;
  /** Fields of GET /server and of the message stream `outbound`, in place of the usual ones. */
  readonly server: Record<string, unknown>;
  readonly stream: Record<string, unknown>;
  /** What the details of each message tell, and the bounces of all; a message that is `hidden` is not listed. */
  readonly events: Record<string, unknown>[];
  readonly bounces: Record<string, unknown>[];
  readonly hidden: Set<string>;
}

const emailSchema = z.strictObject({
  From: z.string(),
  To: z.string().optional(),
  Cc: z.string().optional(),
  Bcc: z.string().optional(),
  ReplyTo: z.string().optional(),
  Subject: z.string().optional(),
  TextBody: z.string().optional(),
  HtmlBody: z.string().optional(),
  Tag: z.string().optional(),
  MessageStream: z.string().optional(),
  TrackOpens: z.boolean().optional(),
  TrackLinks: z.enum(['None', 'HtmlAndText', 'HtmlOnly', 'TextOnly']).optional(),
  Headers: z.array(z.strictObject({ Name: z.string(), Value: z.string() })).optional(),
  Metadata: z.record(z.string(), z.string()).optional(),
  Attachments: z
    .array(
      z.strictObject({
        Name: z.string(),
        Content: z.base64(),
        ContentType: z.string().regex(/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(; ?charset=[\w-]+)?$/),
        ContentID: z
          .string()
          .regex(/^cid:[\x21-\x7e]+$/)
          .nullish(),
      }),
    )
    .optional(),
});

const largest = 10 * 1_024 * 1_024;
const forbiddenHeaders = /^(from|to|cc|bcc|subject|date|reply-to|sender|return-path|mime-version|content-.*)$/i;
const forbiddenFiles = /\.(exe|bat|com|scr|vbs|msi|pif)$/i;
const inactiveWords =
  'Inactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual suppression.';

function json(status: number, body: unknown): HttpReply {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: JSON.stringify(body) };
}

/** An answer that turns down a request. */
export function refusal(status: number, ErrorCode: number, Message: string): HttpReply {
  return json(status, { ErrorCode, Message });
}

/** Starts one. Senders of acme.example may send there, over the message stream `outbound`. */
export async function startPostmark(options: Pick<HttpServerOptions, 'tls' | 'commit'> = {}): Promise<FakePostmark> {
  const taken: TakenMail[] = [];
  const inactive = new Set<string>();
  const hidden = new Set<string>();
  const events: Record<string, unknown>[] = [];
  const bounces: Record<string, unknown>[] = [];
  const server: Record<string, unknown> = { ID: 1, Name: 'Acme', DeliveryType: 'Live', ApiTokens: [serverToken] };
  const stream: Record<string, unknown> = { ID: 'outbound', MessageStreamType: 'Transactional', ArchivedAt: null };

  function email(body: Buffer): HttpReply {
    if (body.length > largest) return { status: 413 };
    const parsed = emailSchema.safeParse(parse(body));
    if (parse(body) === undefined) return refusal(422, 402, 'Received invalid JSON input.');
    if (!parsed.success)
      return refusal(422, 403, `Invalid request field(s): $.${parsed.error.issues[0]?.path.join('.')}`);
    const request = parsed.data;
    const fault = faultIn(request);
    if (fault) return fault;

    const recipients = recipientsOf(request);
    const out = recipients.filter((address) => inactive.has(address.toLowerCase())).map((one) => one.toLowerCase());
    if (out.length === recipients.length)
      return refusal(
        422,
        406,
        `You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: ${out.join(', ')}. ${inactiveWords}`,
      );
    const id = Object.entries(request.Metadata ?? {}).find(([key]) => key === 'mailover_id')?.[1] ?? null;
    const mail = { id, messageId: randomUUID(), recipients, request, receivedAt: new Date().toISOString() };
    taken.push(mail);
    return json(200, {
      ...(request.To !== undefined && { To: request.To }),
      SubmittedAt: mail.receivedAt,
      MessageID: mail.messageId,
      ErrorCode: 0,
      Message:
        out.length === 0
          ? 'OK'
          : `Message OK, but will not deliver to these inactive addresses: ${out.join(', ')}. ${inactiveWords}`,
    });
  }

  function listed(query: URLSearchParams): HttpReply {
    const search = [...query].find(([key]) => key.startsWith('metadata_'));
    if (!query.has('count') || !query.has('offset')) return refusal(422, 700, 'count and offset are required');
    const Messages = taken
      .filter((mail) => !hidden.has(mail.messageId) && query.get('messageStream') === mail.request.MessageStream)
      .filter(({ request }) => !search || request.Metadata?.[search[0].slice('metadata_'.length)] === search[1])
      .map(outline);
    return json(200, { TotalCount: Messages.length, Messages });
  }

  function details(messageId: string): HttpReply {
    const mail = taken.find((one) => one.messageId === messageId && !hidden.has(messageId));
    if (!mail) return refusal(422, 701, 'This message was not found or you do not have access to it.');
    const MessageEvents = events.filter((event) => event.MessageID === messageId);
    return json(200, { ...outline(mail), MessageEvents: MessageEvents.map(({ MessageID, ...event }) => event) });
  }

  function answer({ method, path, headers, body }: ReceivedRequest): HttpReply {
    const { pathname, searchParams } = new URL(path, 'http://postmark.example');
    if (headers['x-postmark-server-token'] !== serverToken)
      return refusal(401, 10, 'Request does not contain a valid Server token.');
    if (headers.accept !== 'application/json') return refusal(422, 409, 'Accept: application/json is required');
    if (method === 'POST' && headers['content-type'] !== 'application/json') return { status: 415 };
    const [, id] = /^\/messages\/outbound\/([^/]+)\/details$/.exec(pathname) ?? [];
    if (id !== undefined) return details(id);
    switch (`${method} ${pathname}`) {
      case 'POST /email':
        return email(body);
      case 'GET /server':
        return json(200, server);
      case 'GET /message-streams/outbound':
        return json(200, stream);
      case 'GET /messages/outbound':
        return listed(searchParams);
      case 'GET /bounces': {
        const Bounces = bounces.filter((bounce) => bounce.MessageID === searchParams.get('messageID'));
        return json(200, { TotalCount: Bounces.length, Bounces });
      }
      default:
        return refusal(404, 404, 'There is nothing here');
    }
  }

  const http = await startHttpServer({ ...options, handler: answer });
  const { url, requests, setFault, close } = http;
  return { http, url, requests, setFault, close, taken, inactive, server, stream, events, bounces, hidden };
}

/** Settings that reach `at`. */
export function postmarkTestSettings(
  at: { readonly url: string },
  more: Partial<Record<keyof PostmarkSettings, unknown>> = {},
): PostmarkSettings {
  return postmarkSettings.parse({ type: 'postmark', server_token: serverToken, base_url: at.url, ...more });
}

function faultIn(request: z.output<typeof emailSchema>): HttpReply | null {
  const invalid = (text: string) => refusal(422, 300, text);
  for (const field of ['From', 'To', 'Cc', 'Bcc', 'ReplyTo'] as const) {
    const bad = addressesOf(request[field]).find(
      (address) => !/^[^\s@"(),:;<>]+@[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(address),
    );
    if (bad !== undefined) return invalid(`Invalid '${field}' address: '${bad}'.`);
  }
  const recipients = recipientsOf(request);
  if (recipients.length === 0) return invalid('Zero recipients specified');
  if (recipients.length > 50) return invalid('Recipients limit of 50 exceeded');
  if (new Set(recipients).size < recipients.length) return invalid('the fake takes nobody twice');
  const [sender, ...others] = addressesOf(request.From);
  if (others.length > 0) return invalid("Invalid 'From' value.");
  if (!sender?.endsWith('@acme.example'))
    return refusal(422, 400, `The 'From' address you supplied (${sender}) is not a Sender Signature on your account.`);
  if (request.TextBody === undefined && request.HtmlBody === undefined)
    return invalid('Provide either email TextBody or HtmlBody or both.');
  const header = request.Headers?.find(({ Name }) => forbiddenHeaders.test(Name));
  if (header) return invalid(`Header '${header.Name}' not allowed.`);
  const fields = Object.entries(request.Metadata ?? {});
  const long = fields.find(([key, value]) => key.length > 20 || value.length > 80);
  if (long)
    return invalid(
      `Invalid metadata content. Field names are limited to 20 characters and field values are limited to 80 characters in length. The '${long[0]}' field in your metadata content exceeds these limits.`,
    );
  if (fields.length > 10) return invalid('Invalid metadata content. At most 10 fields.');
  if (new Set(fields.map(([key]) => key.toLowerCase())).size < fields.length)
    return invalid('Invalid metadata content. Duplicate field names.');
  if ((request.Tag?.length ?? 0) > 1_000) return invalid('Tag is too long');
  const file = request.Attachments?.find(({ Name }) => forbiddenFiles.test(Name));
  if (file) return refusal(422, 411, `Forbidden attachment type: ${file.Name}`);
  if ((request.MessageStream ?? 'outbound') !== 'outbound')
    return refusal(422, 1235, "The 'MessageStream' provided does not exist on this server.");
  return null;
}

// By a parser that is none of ours.
function addressesOf(list: string | undefined): string[] {
  return addressParser(list ?? '').flatMap((one) => ('address' in one ? [one.address ?? ''] : ['a group']));
}

function recipientsOf({ To, Cc, Bcc }: z.output<typeof emailSchema>): string[] {
  return [To, Cc, Bcc].flatMap(addressesOf);
}

function outline({ messageId, recipients, request, receivedAt }: TakenMail) {
  const { Subject, Metadata, Tag, MessageStream } = request;
  return {
    MessageID: messageId,
    Recipients: recipients,
    ReceivedAt: receivedAt,
    Status: 'Sent',
    Subject,
    Metadata,
    Tag,
    MessageStream,
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** What Postmark would post about a mail it took. */
export function deliveryOf({ messageId, recipients, request }: TakenMail): Record<string, unknown> {
  return {
    RecordType: 'Delivery',
    ServerID: 1,
    MessageStream: request.MessageStream,
    MessageID: messageId,
    Recipient: recipients[0],
    DeliveredAt: '2026-11-21T10:00:00.1234567Z',
    Details: `smtp;250 2.0.0 OK ${createHash('sha256').update(messageId).digest('hex').slice(0, 8)}`,
    Metadata: request.Metadata,
  };
}
