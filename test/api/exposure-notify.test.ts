// message.exposed: each message that a provider was handed is told to the applications once, signed, however often it is asked for.
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { outgoing, signingSecret } from '../alerts/far-sides.ts';
import { run } from '../cli/run.ts';
import { type HttpServer, startHttpServer } from '../support/http-server.ts';
import { adminKey, type Service } from '../support/service.ts';
import { until } from '../support/until.ts';
import { expectProblem, keyFor, startStage } from './stage.ts';

interface Told {
  readonly id: string;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

let server: HttpServer;
let service: Service;
const told: Told[] = [];
const ids: Record<string, string[]> = { default: [], passwords: [], quiet: [] };
const began = new Date().toISOString();

beforeAll(async () => {
  const verifier = new Webhook(signingSecret);
  server = await startHttpServer({
    handler({ body, headers }) {
      const said = verifier.verify(body.toString('utf8'), headers as Record<string, string>) as Omit<Told, 'id'>;
      told.push({ id: String(headers['webhook-id']), ...said });
      return { status: 200, body: '{}' };
    },
  });
  service = await startStage({
    settings: {
      outgoing,
      streams: {
        default: { providers: ['primary', 'standby'] },
        passwords: { providers: ['primary'], sensitive: true },
        quiet: { providers: ['primary'] },
      },
      webhooks: {
        app: {
          url: server.url,
          secrets: [signingSecret],
          events: ['message.exposed'],
          streams: ['default', 'passwords'],
        },
      },
    },
  });
  for (const stream of Object.keys(ids))
    for (let n = 0; n < 7; n++)
      ids[stream]!.push(await service.send({ stream, to: `${stream}${n}@example.com`, metadata: { user: `${n}` } }));
  await service.allSettled(Object.values(ids).flat(), ['delivered']);
}, 60_000);
afterAll(async () => {
  await service?.close();
  await server?.close();
});

const path = '/v1/providers/primary/exposure/notify';
const notify = async (body: object) => {
  const { status, body: text } = await service.call('POST', path, { since: began, reason: 'a break-in', ...body });
  expect(status).toBe(200);
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line: string) => JSON.parse(line));
  expect(lines[0]).toMatchObject({ object: 'exposure', provider: 'primary' });
  return lines.at(-1);
};
const heard = () => told.map(({ data }) => data.email_id).sort();

test('those with secrets first, then all, and none of them twice', async () => {
  expect(await notify({ sensitive: true })).toEqual({ object: 'exposure_notified', messages: 7, told: 7 });
  await until(() => told.length === 7);
  expect(heard()).toEqual([...ids.passwords!].sort());
  expect(told[0]).toMatchObject({
    type: 'message.exposed',
    data: {
      provider: 'primary',
      stream: 'passwords',
      detail: 'a break-in',
      sensitive: true,
      handed_over_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      metadata: { user: expect.any(String) },
    },
  });

  // Of the third stream nobody wants to hear.
  expect(await notify({})).toEqual({ object: 'exposure_notified', messages: 21, told: 14 });
  await until(() => told.length === 14);
  expect(await notify({ until: new Date().toISOString() })).toMatchObject({ told: 14 });
  // One more, after all of these: whatever else was to come has come.
  const last = await service.send();
  await service.settled(last, ['delivered']);
  await notify({});
  await until(() => heard().includes(last));
  expect(heard()).toEqual([...ids.default!, ...ids.passwords!, last].sort());
  expect(new Set(told.map(({ id }) => id)).size).toBe(told.length);

  const { data } = (await service.call('GET', '/v1/audit?what=exposure.notify')).body;
  expect(data.length).toBe(4);
  expect(data.at(-1)).toMatchObject({
    target: 'primary',
    why: 'a break-in',
    after: { sensitive: true, hand_overs: 7 },
  });
});

test('on the terminal: a reason is needed, and somebody is asked', async () => {
  const env = { MAILOVER_URL: service.url, MAILOVER_KEY: adminKey };
  const words = ['exposure', 'primary', '--since', began, '--notify'];
  expect(await run(words, { env })).toMatchObject({ status: 2, err: expect.stringContaining('--reason') });
  const reason = ['--reason', 'a break-in'];
  expect(await run([...words, ...reason, '--out', 'x.csv'], { env })).toMatchObject({ status: 2 });
  const questions: string[] = [];
  const ask = async (question: string) => {
    questions.push(question);
    return false;
  };
  expect(await run([...words, ...reason], { env, ask })).toMatchObject({ status: 1, out: '' });
  expect(questions).toEqual([expect.stringContaining('primary')]);
  const { status, out } = await run([...words, ...reason, '--yes'], { env, ask });
  expect(status).toBe(0);
  expect(out).toMatch(/^15 of 22 messages will be told /);
});

test('it is refused where nobody would hear, without a reason, and to who may not', async () => {
  const caller = await keyFor(service, { scopes: ['operate'], streams: ['quiet'] });
  const body = { since: began, reason: 'a break-in' };
  const refused = await service.call('POST', path, body, caller);
  expectProblem(refused, 'validation_error');
  expect(refused.body.detail).toContain('message.exposed');
  expectProblem(await service.call('POST', path, { since: began }), 'validation_error', ['reason']);
  expectProblem(await service.call('POST', path.replace('primary', 'nobody'), body), 'not_found');
  const reader = await keyFor(service, { scopes: ['read'] });
  expectProblem(await service.call('POST', path, body, reader), 'insufficient_scope');
});
