// The servers that play the providers, judged by the providers' own SDKs: what these send is taken, and what is answered they can read.
//
// Everything else in this repository believes these servers. The SDKs were written by the providers, and know nothing of us.
import { createRequire } from 'node:module';
import {
  AccountSendingPausedException,
  ConfigurationSetDoesNotExistException,
  GetAccountSendingEnabledCommand,
  GetSendQuotaCommand,
  MailFromDomainNotVerifiedException,
  MessageRejected,
  SESClient,
  SendRawEmailCommand,
} from '@aws-sdk/client-ses';
import { GetAccountCommand, SESv2Client } from '@aws-sdk/client-sesv2';
import sendgridMail from '@sendgrid/mail';
import Mailgun from 'mailgun.js';
import { Errors, Models, ServerClient } from 'postmark';
import { Resend } from 'resend';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { HttpReply, HttpServer } from '../support/http-server.ts';
import { mailgunDomain, mailgunKey, refusal as mailgunRefusal, startMailgun } from './mailgun.fake.ts';
import { mandrillError, apiKey as mandrillKey, startMandrill } from './mandrill.fake.ts';
import { refusal as postmarkRefusal, serverToken, startPostmark } from './postmark.fake.ts';
import { errorReply as resendError, resendKey, signed, startResend, webhookSecret } from './resend.fake.ts';
import { errorReply as sendgridError, sendgridKey, startSendgrid } from './sendgrid.fake.ts';
import { configurationSet, sesError, startSesServer } from './ses.fake.ts';
import { sesKeys } from './ses.parts.ts';

const ada = 'ada@example.com';
const everybody = [ada, 'bob@example.com', 'cy@example.com'];
const base64 = Buffer.from('Thank you.\n').toString('base64');
const subject = 'Your code – ünï';
const text = 'It is 123456.\n';
const html = '<p>It is 123456.</p>';

/** What a rejected promise was rejected with. */
async function fault(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    (value) => expect.fail(`it was taken: ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
}

/** Closes `far` at the end, and takes its faults away after each test. */
function kept<S extends Pick<HttpServer, 'setFault' | 'close'>>(far: S): S {
  afterEach(() => far.setFault(null));
  afterAll(() => far.close());
  return far;
}

describe('Mandrill, by @mailchimp/mailchimp_transactional', async () => {
  // The package has no types. It never rejects: what axios was rejected with is what it resolves with.
  type Answered = readonly Record<string, unknown>[] | { readonly response: { status: number; data: unknown } };
  interface Client {
    basePath: string;
    readonly messages: Record<'send' | 'info' | 'search', (body: object) => Promise<Answered>>;
    readonly users: { info(): Promise<unknown> };
  }
  const connect = createRequire(import.meta.url)('@mailchimp/mailchimp_transactional') as (key: string) => Client;
  const far = kept(await startMandrill());
  const clientOf = (key: string) => Object.assign(connect(key), { basePath: `${far.url}/api/1.0` });
  const client = clientOf(mandrillKey);
  const message = {
    from_email: 'noreply@acme.example',
    from_name: 'Acme',
    subject,
    text,
    html,
    to: everybody.map((email, at) => ({ email, type: ['to', 'cc', 'bcc'][at] })),
    headers: { 'Reply-To': 'help@acme.example', 'X-Made-Up': 'yes' },
    tags: ['password-reset'],
    metadata: { order: '1234' },
    attachments: [{ type: 'text/plain', name: 'thanks.txt', content: base64 }],
    images: [{ type: 'image/png', name: 'logo', content: base64 }],
    preserve_recipients: true,
  };

  test('a mail is taken, with an id for each recipient', async () => {
    const answer = await client.messages.send({ message });
    expect(answer).toEqual(
      everybody.map((email) => ({
        email,
        status: 'queued',
        queued_reason: 'attachments',
        reject_reason: null,
        _id: expect.stringMatching(/^[0-9a-f]{32}$/),
      })),
    );
    expect(far.taken.at(-1)).toMatchObject({ recipients: everybody, message });
  });

  test('a suspended account is a success whose `queued_reason` tells', async () => {
    far.lots.set(ada, { status: 'queued', queued_reason: 'account-suspended' });
    far.lots.set('bob@example.com', { status: 'rejected', reject_reason: 'hard-bounce' });
    expect(await client.messages.send({ message })).toMatchObject([
      { email: ada, status: 'queued', queued_reason: 'account-suspended' },
      { status: 'rejected', reject_reason: 'hard-bounce' },
      { status: 'queued', queued_reason: 'attachments' },
    ]);
    far.lots.clear();
  });

  test.each<[string, HttpReply | null, Client, object, number]>([
    ['Invalid_Key', null, clientOf('md-another-made-up-key'), message, 500],
    ['ValidationError', null, client, { ...message, from_email: 'nobody' }, 500],
    ['ValidationError', null, client, { ...message, to: ada }, 500],
    ['ValidationError', null, client, { ...message, subject: 5 }, 500],
    ['PaymentRequired', mandrillError('PaymentRequired', 'The feature requires payment.'), client, message, 500],
    ['PoorReputation', mandrillError('PoorReputation', 'Your reputation is too low'), client, message, 500],
    ['ServiceUnavailable', mandrillError('ServiceUnavailable', 'Down', -1, 503), client, message, 503],
  ])('%s', async (name, reply, by, body, status) => {
    if (reply) far.setFault({ reply });
    const before = far.taken.length;
    const answer = await by.messages.send({ message: body });
    expect(answer).toMatchObject({ response: { status, data: { status: 'error', name } } });
    expect(far.taken).toHaveLength(before);
  });

  test('the account and the messages can be asked for', async () => {
    expect(await client.users.info()).toMatchObject({ username: 'acme', backlog: 0, hourly_quota: expect.any(Number) });
    far.index.set('m1', { _id: 'm1', email: ada, ts: Date.parse('2026-11-21T12:00:00Z') / 1_000, state: 'sent' });
    expect(await client.messages.info({ id: 'm1' })).toMatchObject({ state: 'sent' });
    const days = { date_from: '2026-11-21', date_to: '2026-11-21' };
    expect(await client.messages.search({ query: ada, ...days })).toMatchObject([{ _id: 'm1' }]);
    expect(await client.messages.info({ id: 'm2' })).toMatchObject({ response: { data: { name: 'Unknown_Message' } } });
  });
});

describe('SES, by @aws-sdk/client-ses and -sesv2', async () => {
  const far = kept(await startSesServer(sesKeys));
  const { region, accessKeyId, secretAccessKey } = sesKeys;
  const optionsOf = (credentials: { accessKeyId: string; secretAccessKey: string }) => ({
    ...{ endpoint: far.url, region, credentials, maxAttempts: 1 },
  });
  const credentials = { accessKeyId, secretAccessKey };
  const [v1, v2] = [new SESClient(optionsOf(credentials)), new SESv2Client(optionsOf(credentials))];
  afterAll(() => {
    v1.destroy();
    v2.destroy();
  });
  const raw = (more = '') =>
    Buffer.from(
      [
        'From: Acme <noreply@acme.example>',
        `To: <${ada}>`,
        'Cc: bob@example.com',
        `Subject: =?UTF-8?B?${Buffer.from(subject).toString('base64')}?=`,
        `${more}MIME-Version: 1.0`,
        'Content-Type: multipart/mixed; boundary=made-up',
        '',
        '--made-up',
        'Content-Type: text/plain',
        '',
        text,
        '--made-up',
        'Content-Type: text/plain; name=thanks.txt',
        'Content-Disposition: attachment; filename=thanks.txt',
        'Content-Transfer-Encoding: base64',
        '',
        base64,
        '--made-up--',
        '',
      ].join('\r\n'),
    );
  const mail = {
    Source: 'noreply@acme.example',
    Destinations: everybody,
    RawMessage: { Data: raw() },
    Tags: [{ Name: 'order', Value: '1234' }],
    ConfigurationSetName: configurationSet,
  };
  const send = (more: object = {}, by = v1) => by.send(new SendRawEmailCommand({ ...mail, ...more }));

  test('a mail is taken, and gets a MessageId', async () => {
    const { MessageId } = await send();
    const taken = far.taken.at(-1);
    expect(taken).toMatchObject({ id: MessageId, destinations: everybody, tags: { order: '1234' }, configurationSet });
    expect(taken?.email).toMatchObject({ subject, attachments: [{ filename: 'thanks.txt' }] });
  });

  const other = (key: object) => new SESClient(optionsOf({ ...credentials, ...key }));
  test.each<[name: string, type: unknown, status: number, HttpReply | null, object?, SESClient?]>([
    ['InvalidClientTokenId', Error, 403, null, {}, other({ accessKeyId: 'AKIDANOTHERMADEUP' })],
    ['SignatureDoesNotMatch', Error, 403, null, {}, other({ secretAccessKey: 'another/made-up' })],
    ['InvalidParameterValue', Error, 400, null, { Destinations: ['nobody'] }],
    ['InvalidParameterValue', Error, 400, null, { RawMessage: { Data: raw(`Bcc: ${ada}\r\n`) } }],
    ['InvalidParameterValue', Error, 400, null, { Tags: [{ Name: 'an order', Value: '1' }] }],
    [
      'ConfigurationSetDoesNotExistException',
      ConfigurationSetDoesNotExistException,
      400,
      null,
      { ConfigurationSetName: 'another' },
    ],
    [
      'AccountSendingPausedException',
      AccountSendingPausedException,
      400,
      sesError('AccountSendingPausedException', 'Email sending is disabled.'),
    ],
    ['MessageRejected', MessageRejected, 400, sesError('MessageRejected', 'Sending paused for this account.')],
    [
      'MailFromDomainNotVerifiedException',
      MailFromDomainNotVerifiedException,
      400,
      sesError('MailFromDomainNotVerifiedException', 'Could not read the MX record.'),
    ],
    ['Throttling', Error, 400, sesError('Throttling', 'Maximum sending rate exceeded.')],
    ['ServiceUnavailable', Error, 503, sesError('ServiceUnavailable', 'Later.', 503)],
  ])('%s', async (name, type, status, reply, more, by) => {
    if (reply) far.setFault({ reply });
    const before = far.taken.length;
    const error = await fault(send(more, by));
    expect(error).toMatchObject({ name, $metadata: { httpStatusCode: status }, message: expect.stringMatching(/./) });
    expect(error).toBeInstanceOf(type);
    expect(far.taken).toHaveLength(before);
  });

  test('both versions tell of the account, or that one may not ask', async () => {
    expect(await v1.send(new GetSendQuotaCommand())).toMatchObject({ Max24HourSend: 50_000, SentLast24Hours: 1_234 });
    expect(await v1.send(new GetAccountSendingEnabledCommand())).toMatchObject({ Enabled: true });
    expect(await v2.send(new GetAccountCommand())).toMatchObject({
      EnforcementStatus: 'HEALTHY',
      SendingEnabled: true,
      SendQuota: { Max24HourSend: 50_000, SentLast24Hours: 1_234 },
    });
    far.state.denied = ['GetAccount', 'GetSendQuota'];
    expect(await fault(v1.send(new GetSendQuotaCommand()))).toMatchObject({ name: 'AccessDenied' });
    expect(await fault(v2.send(new GetAccountCommand()))).toMatchObject({ name: 'AccessDeniedException' });
    far.state.denied = [];
  });
});

describe('Postmark, by postmark', async () => {
  const far = kept(await startPostmark());
  const clientOf = (token: string) => new ServerClient(token, { requestHost: new URL(far.url).host, useHttps: false });
  const client = clientOf(serverToken);
  const mail = {
    From: 'Acme <noreply@acme.example>',
    To: ada,
    Cc: 'bob@example.com',
    Bcc: 'cy@example.com',
    ReplyTo: 'help@acme.example',
    Subject: subject,
    TextBody: text,
    HtmlBody: html,
    Tag: 'password-reset',
    Metadata: { order: '1234' },
    MessageStream: 'outbound',
    TrackOpens: false,
    TrackLinks: Models.LinkTrackingOptions.None,
    Headers: [new Models.Header('X-Made-Up', 'yes')],
    Attachments: [
      new Models.Attachment('thanks.txt', base64, 'text/plain'),
      new Models.Attachment('logo.png', base64, 'image/png', 'cid:logo'),
    ],
  };

  test('a mail is taken, and gets a MessageID', async () => {
    const answer = await client.sendEmail(mail);
    expect(answer).toMatchObject({ To: ada, ErrorCode: 0, Message: 'OK', SubmittedAt: expect.stringMatching(/^2/) });
    expect(far.taken.at(-1)).toMatchObject({ messageId: answer.MessageID, recipients: everybody });
  });

  test('whom it will not reach, the error and the answer name', async () => {
    for (const one of ['bob@example.com', 'cy@example.com']) far.inactive.add(one);
    const { Message } = await client.sendEmail(mail);
    expect(Message).toContain('inactive addresses: bob@example.com, cy@example.com.');
    far.inactive.add(ada);
    const error = await fault(client.sendEmail({ ...mail, Cc: '', Bcc: '' }));
    expect(error).toBeInstanceOf(Errors.InactiveRecipientsError);
    expect(error).toMatchObject({ code: 406, statusCode: 422, recipients: [ada] });
    far.inactive.clear();
  });

  test.each<[number, string, number, HttpReply | null, object?, ServerClient?]>([
    [10, 'InvalidAPIKeyError', 401, null, {}, clientOf('another-made-up-token')],
    [300, 'InvalidEmailRequestError', 422, null, { To: 'nobody' }],
    [400, 'ApiInputError', 422, null, { From: 'noreply@other.example' }],
    [403, 'ApiInputError', 422, null, { Metadata: { order: 1234 } }],
    [403, 'ApiInputError', 422, null, { Headers: { 'X-Made-Up': 'yes' } }],
    [403, 'ApiInputError', 422, null, { Subject: 5 }],
    [1235, 'ApiInputError', 422, null, { MessageStream: 'another' }],
    [405, 'ApiInputError', 422, postmarkRefusal(422, 405, 'Not allowed to send')],
    [412, 'ApiInputError', 422, postmarkRefusal(422, 412, 'Your account is pending approval')],
    [413, 'ApiInputError', 422, postmarkRefusal(422, 413, 'Your account may not send')],
    [429, 'RateLimitExceededError', 429, postmarkRefusal(429, 429, 'Rate limit exceeded')],
    [101, 'InternalServerError', 500, postmarkRefusal(500, 101, 'Internal server error')],
    [100, 'ServiceUnavailablerError', 503, postmarkRefusal(503, 100, 'Maintenance')],
  ])('%i is its %s', async (code, name, statusCode, reply, more, by = client) => {
    if (reply) far.setFault({ reply });
    const before = far.taken.length;
    const error = await fault(by.sendEmail({ ...mail, ...more } as typeof mail));
    expect(error).toMatchObject({ name, code, statusCode, message: expect.stringMatching(/./) });
    expect(far.taken).toHaveLength(before);
  });

  test('the server, its stream, the messages and their bounces can be asked for', async () => {
    expect(await client.getServer()).toMatchObject({ DeliveryType: 'Live' });
    expect(await client.getMessageStream('outbound')).toMatchObject({ MessageStreamType: 'Transactional' });
    const { MessageID } = await client.sendEmail(mail);
    const wanted = new Models.OutboundMessagesFilteringParameters(10, 0);
    const { Messages } = await client.getOutboundMessages({
      ...wanted,
      metadata_order: '1234',
      messageStream: 'outbound',
    });
    expect(Messages.at(-1)).toMatchObject({ MessageID, Status: 'Sent', Recipients: everybody });
    far.events.push({ MessageID, Type: 'Delivered', Recipient: ada, ReceivedAt: '2026-11-21T12:00:00Z', Details: {} });
    expect(await client.getOutboundMessageDetails(MessageID)).toMatchObject({ MessageEvents: [{ Type: 'Delivered' }] });
    far.bounces.push({ ID: 1, MessageID, Type: 'SoftBounce', Email: ada });
    expect(await client.getBounces({ messageID: MessageID })).toMatchObject({ TotalCount: 1, Bounces: [{ ID: 1 }] });
    const unknown = client.getOutboundMessageDetails('no-such-message');
    expect(await fault(unknown)).toMatchObject({ name: 'ApiInputError', code: 701, statusCode: 422 });
  });
});

describe('SendGrid, by @sendgrid/mail', async () => {
  const far = kept(await startSendgrid());
  // One client for all, and `setApiKey` takes its URL back to SendGrid's own.
  const client = (sendgridMail as unknown as { client: { setDefaultRequest(key: string, value: string): void } })
    .client;
  const send = (mail: object, key = sendgridKey) => {
    sendgridMail.setApiKey(key);
    client.setDefaultRequest('baseUrl', far.url);
    return sendgridMail.send(mail as Parameters<typeof sendgridMail.send>[0]);
  };
  const mail = {
    from: 'Acme <noreply@acme.example>',
    to: ada,
    cc: 'bob@example.com',
    bcc: ['cy@example.com'],
    replyToList: [{ email: 'help@acme.example', name: 'Help' }],
    subject,
    text,
    html,
    categories: ['password-reset'],
    customArgs: { order: '1234' },
    headers: { 'X-Made-Up': 'yes' },
    attachments: [
      { filename: 'thanks.txt', content: base64, type: 'text/plain', disposition: 'attachment' },
      { filename: 'logo.png', content: base64, type: 'image/png', disposition: 'inline', content_id: 'logo' },
    ],
  };

  test('a mail is taken, and gets an X-Message-Id', async () => {
    const [{ statusCode, headers, body }] = await send(mail);
    const { id, ...taken } = far.mails.at(-1)!;
    expect({ statusCode, body, id: headers['x-message-id'] }).toEqual({ statusCode: 202, body: '', id });
    expect(taken).toMatchObject({
      from: { email: 'noreply@acme.example', name: 'Acme' },
      personalizations: [
        { to: [{ email: ada }], cc: [{ email: 'bob@example.com' }], bcc: [{ email: 'cy@example.com' }] },
      ],
      reply_to_list: mail.replyToList,
      categories: mail.categories,
      custom_args: mail.customArgs,
      headers: mail.headers,
      attachments: [{ filename: 'thanks.txt' }, { filename: 'logo.png', content_id: 'logo' }],
    });
  });

  const invalid = 'The provided authorization grant is invalid, expired, or revoked';
  const suspended = 'Authenticated user is not authorized to send mail';
  test.each<[code: number, message: string | RegExp, field: string | null, HttpReply | null, object?, string?]>([
    [401, invalid, null, null, {}, 'SG.another-made-up-key'],
    [400, 'Does not contain a valid address.', 'personalizations.0.to.0.email', null, { to: 'nobody' }],
    [400, /unique/, 'personalizations.0', null, { cc: ada }],
    [400, /subject/, 'subject', null, { subject: '' }],
    [400, /reserved/, 'headers', null, { headers: { 'Reply-To': 'x@acme.example' } }],
    [400, /10 categories/, 'categories', null, { categories: Array.from('12345678901') }],
    [401, suspended, null, sendgridError(401, suspended)],
    [401, 'Maximum credits exceeded', null, sendgridError(401, 'Maximum credits exceeded')],
    [403, /verified Sender/, 'from', sendgridError(403, 'The from address is no verified Sender Identity.', 'from')],
    [429, 'too many requests', null, sendgridError(429, 'too many requests')],
  ])('%i, %s', async (code, message, field, reply, more, key) => {
    if (reply) far.setFault({ reply });
    const before = far.mails.length;
    const error = await fault(send({ ...mail, ...more }, key));
    const words = typeof message === 'string' ? message : expect.stringMatching(message);
    expect(error).toMatchObject({ code, response: { body: { errors: [{ message: words, field, help: null }] } } });
    expect(far.mails).toHaveLength(before);
  });
});

describe('Mailgun, by mailgun.js', async () => {
  const far = kept(await startMailgun());
  const clientOf = (key: string) => new Mailgun(FormData).client({ username: 'api', key, url: far.url });
  const client = clientOf(mailgunKey);
  type MailgunMail = Parameters<typeof client.messages.create>[1];
  const mail: MailgunMail = {
    from: 'Acme <noreply@acme.example>',
    to: [ada],
    cc: 'bob@example.com',
    bcc: 'cy@example.com',
    subject,
    text,
    html,
    'o:tag': ['password-reset', 'acme'],
    'o:tracking': 'no',
    'v:order': '1234',
    'h:Reply-To': 'help@acme.example',
    attachment: { data: Buffer.from('Thank you.\n'), filename: 'thanks.txt', contentType: 'text/plain' },
    inline: { data: Buffer.from('made up'), filename: 'logo.png', contentType: 'image/png' },
  };

  test('a mail is taken, and gets an id', async () => {
    const answer = await client.messages.create(mailgunDomain, mail);
    const taken = far.mails.at(-1);
    expect(answer).toEqual({ status: 200, id: taken?.messageId, message: 'Queued. Thank you.' });
    expect(answer.id).toMatch(/^<.+@mg\.acme\.example>$/);
    expect(taken?.envelope).toEqual(everybody);
    expect(taken?.files).toMatchObject([{ filename: 'thanks.txt' }, { field: 'inline', filename: 'logo.png' }]);
    expect(taken?.fields).toEqual(
      expect.arrayContaining([
        ['o:tag', 'acme'],
        ['v:order', '1234'],
        ['subject', subject],
      ]),
    );
  });

  const suspended = 'Domain mg.acme.example is not allowed to send: Account disabled';
  test.each<[number, string, string | RegExp, HttpReply | null, object?, string?, string?]>([
    [401, 'Unauthorized', 'Forbidden', null, {}, mailgunDomain, 'another-made-up-key'],
    [404, 'Not Found', 'Domain not found: other.example', null, {}, 'other.example'],
    [400, 'Bad Request', /^'to' parameter is not a valid address/, null, { to: 'nobody' }],
    [400, 'Bad Request', /'text' or 'html'/, null, { text: undefined, html: undefined }],
    [400, 'Bad Request', /16 kB/, null, { 'v:order': 'x'.repeat(17_000) }],
    [403, 'Forbidden', suspended, mailgunRefusal(403, suspended)],
    [402, 'Payment Required', 'Payment Required', mailgunRefusal(402, 'Payment Required')],
    [429, 'Too Many Requests', 'rate limit exceeded', mailgunRefusal(429, 'rate limit exceeded')],
    [500, 'Internal Server Error', 'Internal Server Error', mailgunRefusal(500, 'Internal Server Error')],
  ])('%i %s: %s', async (status, message, details, reply, more, domain = mailgunDomain, key = mailgunKey) => {
    if (reply) far.setFault({ reply });
    const before = far.mails.length;
    const error = await fault(clientOf(key).messages.create(domain, { ...mail, ...more } as MailgunMail));
    const words = typeof details === 'string' ? details : expect.stringMatching(details);
    expect(error).toMatchObject({ status, message, details: words });
    expect(far.mails).toHaveLength(before);
  });

  test('the domain and its events can be asked for', async () => {
    expect(await client.domains.get(mailgunDomain)).toMatchObject({ state: 'active', is_disabled: false });
    far.events.push({
      event: 'delivered',
      recipient: ada,
      timestamp: 100,
      message: { headers: { 'message-id': 'm' } },
    });
    const query = { begin: '1', ascending: 'yes', limit: 5, recipient: ada } as const;
    expect(await client.events.get(mailgunDomain, query)).toMatchObject({ items: [{ event: 'delivered' }] });
  });
});

describe('Resend, by resend', async () => {
  const far = kept(await startResend());
  const client = new Resend(resendKey, { baseUrl: far.url });
  const mail = {
    from: 'Acme <noreply@acme.example>',
    to: [ada],
    cc: ['bob@example.com'],
    bcc: ['cy@example.com'],
    replyTo: ['help@acme.example'],
    subject,
    text,
    html,
    headers: { 'X-Made-Up': 'yes' },
    tags: [{ name: 'order', value: '1234' }],
    attachments: [
      { filename: 'thanks.txt', content: Buffer.from('Thank you.\n'), contentType: 'text/plain' },
      { filename: 'logo.png', content: base64, contentType: 'image/png', contentId: 'logo' },
    ],
  };
  let keys = 0;
  const send = (more: object = {}, by = client) =>
    by.emails.send({ ...mail, ...more } as typeof mail, { idempotencyKey: `key-${++keys}` });

  test('a mail is taken, and gets an id', async () => {
    const { data, error } = await send();
    expect(error).toBeNull();
    const taken = far.taken.at(-1);
    expect(taken).toMatchObject({ emailId: data?.id, recipients: everybody, request: { reply_to: mail.replyTo } });
    expect(taken?.request.attachments).toMatchObject([{ content: base64 }, { content_id: 'logo' }]);
  });

  test('an idempotency key keeps a mail from being taken twice, and is not for another', async () => {
    const before = far.taken.length;
    const twice = () => client.emails.send(mail, { idempotencyKey: 'twice' });
    const first = await twice();
    expect(first.data?.id).toMatch(/./);
    expect((await twice()).data).toEqual(first.data);
    expect(far.taken).toHaveLength(before + 1);
    const another = await client.emails.send({ ...mail, subject: 'another' }, { idempotencyKey: 'twice' });
    expect(another).toMatchObject({ data: null, error: { statusCode: 409, name: 'invalid_idempotent_request' } });
  });

  const suspended = resendError(403, 'suspended_api_key', 'This API key is suspended');
  test.each<[name: string, number, HttpReply | null, object?, Resend?]>([
    ['validation_error', 401, null, {}, new Resend('re_AnotherMadeUpKey', { baseUrl: far.url })],
    ['validation_error', 403, null, { from: 'noreply@other.example' }],
    ['validation_error', 422, null, { to: ['nobody'] }],
    ['validation_error', 422, null, { tags: [{ name: 'an order', value: '1' }] }],
    ['validation_error', 422, null, { headers: { 'X-Made-Up': 5 } }],
    ['missing_required_field', 422, null, { subject: '' }],
    ['invalid_attachment', 422, null, { attachments: [{ filename: 'run.exe', content: base64 }] }],
    ['suspended_api_key', 403, suspended],
    ['restricted_api_key', 401, resendError(401, 'restricted_api_key', 'This API key is restricted.')],
    ['rate_limit_exceeded', 429, resendError(429, 'rate_limit_exceeded', 'Too many requests.')],
    ['daily_quota_exceeded', 429, resendError(429, 'daily_quota_exceeded', 'You have exceeded your daily quota.')],
    ['application_error', 500, resendError(500, 'application_error', 'An unexpected error occurred.')],
  ])('%s, %i', async (name, statusCode, reply, more, by) => {
    if (reply) far.setFault({ reply });
    const before = far.taken.length;
    const answer = await send(more, by);
    const error = { name, statusCode, message: expect.stringMatching(/./) };
    expect(answer).toEqual({
      data: null,
      error,
      headers: expect.objectContaining({ 'content-type': 'application/json' }),
    });
    expect(far.taken).toHaveLength(before);
  });

  test('mail, domains and usage can be asked for', async () => {
    const { data } = await send();
    expect((await client.emails.get(data?.id ?? '')).data).toMatchObject({
      object: 'email',
      id: data?.id,
      last_event: 'sent',
    });
    expect((await client.emails.get('no-such-mail')).error).toMatchObject({ statusCode: 404, name: 'not_found' });
    expect((await client.domains.list()).data).toMatchObject({ data: [{ name: 'acme.example', status: 'verified' }] });
    expect((await client.usage.get()).data).toMatchObject({ emails: { daily: { used: 40, limit: 100 } } });
  });

  describe('the signature of our tests', () => {
    const body = JSON.stringify({ type: 'email.delivered', data: { email_id: 'made-up', subject } });
    const verify = (payload: string, headers: Record<string, string>, secret = webhookSecret) => {
      const [id = '', timestamp = '', signature = ''] = ['id', 'timestamp', 'signature'].map(
        (part) => headers[`svix-${part}`],
      );
      return client.webhooks.verify({ payload, headers: { id, timestamp, signature }, webhookSecret: secret });
    };
    const good = signed(body, Date.now());

    test('verifies', () => {
      expect(verify(body, good)).toEqual(JSON.parse(body));
      const several = { ...good, 'svix-signature': `v1,${base64} ${good['svix-signature']}` };
      expect(verify(body, several)).toEqual(JSON.parse(body));
    });

    test.each<[string, string, Record<string, string>, string?]>([
      ['another body', body.replace('delivered', 'complained'), good],
      ['a body with a byte more', `${body} `, good],
      ['another id', body, { ...good, 'svix-id': 'msg_another' }],
      ['another time', body, { ...good, 'svix-timestamp': String(Number(good['svix-timestamp']) + 1) }],
      ['another signature', body, { ...good, 'svix-signature': `v1,${base64}` }],
      ['no signature', body, { ...good, 'svix-signature': '' }],
      ['another version', body, { ...good, 'svix-signature': good['svix-signature']!.replace('v1,', 'v2,') }],
      ['another secret', body, good, `whsec_${Buffer.from('another-made-up-secret-0').toString('base64')}`],
      ['six minutes ago', body, signed(body, Date.now() - 360_000)],
      ['in six minutes', body, signed(body, Date.now() + 360_000)],
    ])('does not with %s', (_, payload, headers, secret) => {
      expect(() => verify(payload, headers, secret)).toThrow();
    });
  });
});
