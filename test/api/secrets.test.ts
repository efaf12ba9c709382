// Invariant: secrets, texts and whole addresses reach no log line, no metric and no error; at rest all of them are sealed.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, hello, relay, type Service } from '../support/service.ts';
import { type SmtpServer, startSmtpServer } from '../support/smtp-server.ts';
import { expectProblem, keyFor, startStage } from './stage.ts';

let service: Service;
let first: SmtpServer;
let second: SmtpServer;
beforeAll(async () => {
  [first, second] = [
    await startSmtpServer({ auth: { user: 'acme', password: smtpPassword } }),
    await startSmtpServer(),
  ];
  const login = { user: 'acme', password: smtpPassword };
  service = await startStage({
    settings: {
      providers: {
        first: relay(first, login),
        second: relay(second),
        box: { type: 'sandbox', latency: '0ms' },
        slow: { type: 'sandbox', latency: '1h' },
      },
      streams: {
        default: { providers: ['first', 'second'] },
        box: { providers: ['box'] },
        slow: { providers: ['slow'] },
      },
      server: { body_limit: '64KB', metrics_token: metricsToken },
      health: { min_volume: 1_000, account_refusals: 1_000 },
    },
  });
});
afterAll(async () => {
  await service.close();
  await first.close();
  await second.close();
});

const smtpPassword = 'canary-smtp-password';
const metricsToken = 'canary-metrics-token';
const canary = (what: string) => `canary-${what}-0123456789`;
const attached = `${canary('attachment')} and some more, so that base64 has something to hold on to`;

/** A mail with a canary wherever something private may stand. */
const mail = {
  from: `Acme <${canary('from')}@acme.example>`,
  to: [`${canary('to')}@example.com`, `"${canary('name')}" <${canary('named')}@example.com>`],
  cc: [`${canary('cc')}@example.com`],
  bcc: [`${canary('bcc')}@example.com`],
  reply_to: [`${canary('reply')}@acme.example`],
  subject: `Subject ${canary('subject')}`,
  text: `Text ${canary('text')}`,
  html: `<p>${canary('html')}</p>`,
  headers: { 'X-Private': canary('header') },
  tags: [{ name: 'kind', value: canary('tag') }],
  metadata: { private: canary('metadata') },
  attachments: [{ filename: `${canary('filename')}.txt`, content: Buffer.from(attached).toString('base64') }],
};

test('a run through every kind of trouble tells nothing', { timeout: 60_000 }, async () => {
  const refusals: Answer[] = [];
  const key = (await keyFor(service)).authorization;
  const secret = key.slice(-46);
  const refused = async (body: unknown, headers: Record<string, string> = {}, path = '/v1/emails', method = 'POST') => {
    const answer = await service.call(method, path, body, headers);
    expect(answer.status, JSON.stringify(answer.body)).toBeGreaterThanOrEqual(400);
    expect(answer.status).not.toBe(500);
    refusals.push(answer);
    return answer;
  };
  const send = async (more: Record<string, unknown> = {}, idempotencyKey = canary(`idempotency-${Math.random()}`)) => {
    const headers = { authorization: key, 'idempotency-key': idempotencyKey };
    const { status, body } = await service.call('POST', '/v1/emails', { ...mail, ...more }, headers);
    expect(status).toBe(202);
    return body.id as string;
  };

  // Mail that arrives, is deferred, refused, swallowed; and servers that quote what they were told.
  const ids = [await send()];
  await service.settled(ids[0]!, ['sent']);
  const faults = [
    { at: 'rcpt', reply: `550 5.1.1 <${canary('to')}@example.com> no such user here` },
    { at: 'mail', reply: `451 4.3.0 <${canary('from')}@acme.example> try later` },
    { at: 'dot', reply: `554 5.7.1 refused: ${canary('to')}@example.com, said ${canary('cc')}@example.com` },
    { at: 'dot', reply: `250 2.0.0 queued for ${canary('bcc')}@example.com` },
    { at: 'auth', reply: '535 5.7.8 {auth}' },
    { at: 'body', act: 'reset' },
    { at: 'dot', act: 'garbage' },
  ] as const;
  for (const [index, fault] of faults.entries()) {
    // A recipient that a server disowns gets no more mail: each fault has its own.
    const to = [`${canary('to')}@${index}.example.com`];
    first.setFault(fault);
    first.dropIdle();
    const id = await send({ to, cc: [], bcc: [] });
    await service.settled(id, ['sent', 'failed', 'held']);
    ids.push(id);
  }
  first.setFault(null);

  // The sandboxes keep a mail and its events to come; an address is suppressed by hand.
  ids.push(await send({ stream: 'box' }), await send({ stream: 'slow' }));
  await service.settled(ids.at(-2)!, ['delivered']);
  await service.settled(ids.at(-1)!, ['sent']);
  const suppression = { address: `${canary('to')}@suppressed.example.com`, reason: canary('reason') };
  expect((await service.call('POST', '/v1/suppressions', suppression)).status).toBe(200);

  // Everything that can be wrong with a request, with the canaries in the wrong place.
  await refused(JSON.stringify(mail).slice(0, -3), { authorization: key });
  await refused(`{"subject": "${canary('subject')}" "${canary('text')}"}`, { authorization: key });
  await refused(`${canary('text')}`, { authorization: key });
  await refused(`{"a":"${canary('text')}`, { authorization: key });
  // Short enough for the few characters that JSON.parse quotes.
  for (const body of ['s3cret', '{"text": s3cret}', '{"s3cret"}', '{"a":"s3cret']) {
    const answer = await refused(body, { authorization: key });
    expect(JSON.stringify(answer.body)).not.toContain('s3cret');
  }
  await refused(`{"__proto__": "${canary('text')}"}`, { authorization: key });
  await refused(Buffer.concat([Buffer.from(`{"text":"${canary('text')}`), Buffer.from([0xff])]), {
    authorization: key,
  });
  await refused({ ...mail, text: canary('text').repeat(5_000) }, { authorization: key });
  await refused(JSON.stringify(mail), { authorization: key, 'content-type': 'text/plain' });
  for (const [field, value] of Object.entries({
    from: `${canary('from')}@@acme.example`,
    to: [`${canary('to')}@nowhere`, `${canary('to')}@example.com, ${canary('cc')}@example.com`, 7],
    subject: `${canary('subject')}\r\nBcc: ${canary('bcc')}@example.com`,
    text: `${canary('text')}\0`,
    html: [canary('html')],
    headers: { Bcc: `${canary('bcc')}@example.com`, 'X-A': `${canary('header')}\n` },
    tags: [{ name: '', value: canary('tag').repeat(50) }],
    metadata: { a: canary('metadata').repeat(100) },
    attachments: [{ filename: `../${canary('filename')}`, content: `***${canary('attachment')}` }],
    stream: canary('text'),
    scheduled_at: canary('text'),
    expires_in: canary('text'),
    on_unknown: canary('text'),
  })) {
    await refused({ ...mail, [field]: value }, { authorization: key });
    await refused([hello, { ...mail, [field]: value }], { authorization: key }, '/v1/emails/batch');
  }
  const once = canary('idempotency-once');
  ids.push(await send({}, once));
  await refused({ ...mail, subject: 'Another' }, { authorization: key, 'idempotency-key': once });
  await refused(mail, { authorization: key, 'idempotency-key': `${once} with spaces` });
  expectProblem(await refused(mail, { authorization: `${key}x` }), 'invalid_api_key');
  expectProblem(await refused(mail, { authorization: `Bearer ${canary('key')}` }), 'invalid_api_key');
  expectProblem(await refused(mail, { authorization: `Basic ${canary('key')}` }), 'missing_api_key');
  await refused(mail, await keyFor(service, { scopes: ['read'] }));
  await refused(mail, await keyFor(service, { senders: ['other@acme.example'] }));
  await refused(undefined, {}, `/v1/emails?to=${canary('to')}@nowhere`, 'GET');
  await refused(
    undefined,
    {},
    `/v1/emails?${canary('to')}=x&status=${canary('subject')}`.replaceAll('canary-to', 'x'),
    'GET',
  );
  await refused(undefined, {}, `/v1/emails/${canary('text')}`, 'GET');
  await refused({ scheduled_at: canary('text') }, {}, `/v1/emails/${ids[0]}`, 'PATCH');
  await refused(undefined, {}, '/metrics', 'GET');
  await service.call('GET', `/v1/emails?to=${canary('to')}@example.com`);
  for (const id of ids) await service.call('GET', `/v1/emails/${id}`);
  await service.redis.kill('SIGKILL');
  await refused(mail, { authorization: key, 'idempotency-key': canary('idempotency-away') });
  await service.redis.restart();
  const late = canary('idempotency-late');
  for (;;) {
    const { status } = await service.call('POST', '/v1/emails', mail, { authorization: key, 'idempotency-key': late });
    if (status === 202) break;
    expect(status).toBe(503);
  }

  const private_ = [
    ...['from', 'to', 'named', 'name', 'cc', 'bcc', 'reply', 'subject', 'text', 'html', 'header', 'tag', 'metadata'],
    ...['attachment', 'filename', 'reason', 'idempotency', 'key', 'smtp-password', 'metrics-token'],
  ].map((what) => `canary-${what}`);
  const forms = [
    ...private_,
    secret,
    Buffer.from(attached).toString('base64').slice(4, 40),
    ...private_.map((text) => Buffer.from(text).toString('base64').slice(0, 8)),
    ...private_.map((text) => Buffer.from(text).toString('hex')),
  ];
  const leaks = (text: string) => forms.filter((form) => text.includes(form));

  // The canaries have been where they belong: the scans below would see them.
  const arrived = second.received.map(({ raw }) => raw.toString()).join('');
  for (const what of ['subject', 'text', 'html', 'header']) expect(arrived).toContain(canary(what));
  const { body: shown } = await service.call('GET', `/v1/emails/${ids[0]}`);
  expect(leaks(JSON.stringify(shown))).not.toEqual([]);

  for (const { body } of refusals)
    expect(leaks(JSON.stringify(body)), JSON.stringify(body).slice(0, 1_000)).toEqual([]);
  for (const line of service.log) expect(leaks(JSON.stringify(line)), JSON.stringify(line)).toEqual([]);
  expect(service.log.filter(({ message }) => message === ids[1]).length).toBeGreaterThan(0);
  const metrics = await service.call('GET', '/metrics', undefined, { authorization: `Bearer ${metricsToken}` });
  expect(metrics.body).toContain('mailover_attempts_total{provider="first",outcome="rejected"}');
  expect(leaks(metrics.body)).toEqual([]);

  // At rest, in the very bytes on disk: neither what is private nor whom it concerns, domain included.
  const client = await service.redis.client();
  await client.set('control', 'canary-control');
  const folder = join(service.redis.dir, 'appendonlydir');
  const disk = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'latin1'))
    .join('');
  expect(disk).toContain('canary-control');
  expect(disk).toContain(ids[0]);
  expect(leaks(disk)).toEqual([]);
  for (let index = 0; index < faults.length; index++)
    expect(disk).not.toContain(`${canary('to')}@${index}.example.com`);
});
