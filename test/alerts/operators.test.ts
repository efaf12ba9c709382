// What operators have of it: test alerts, dead letters, the audit of replays; and the heartbeat that stops when the leader does.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { heartbeatChore } from '../../src/alerts/heartbeat.ts';
import { createPlaces } from '../../src/outgoing/places.ts';
import { createOutgoing } from '../../src/outgoing/post.ts';
import { run } from '../cli/run.ts';
import { type HttpServer, startHttpServer } from '../support/http-server.ts';
import { adminKey, type Service, sandboxes, startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { type FarSides, outgoing, signingSecret, startFarSides } from './far-sides.ts';

let far: FarSides;
let beats: HttpServer;
let app: HttpServer;
let service: Service;
let env: Record<string, string>;

beforeAll(async () => {
  [far, beats, app] = await Promise.all([startFarSides(), startHttpServer(), startHttpServer()]);
  service = await startService({
    settings: {
      ...sandboxes,
      streams: { default: { providers: ['primary', 'standby'] }, alerts: { providers: ['standby'] } },
      webhooks: { app: { url: `${app.url}/hooks`, secrets: [signingSecret] } },
      alerts: { sinks: far.settings, heartbeat: { url: `${beats.url}/beat`, every: '5s' } },
      outgoing,
    },
  });
  env = { MAILOVER_URL: service.url, MAILOVER_KEY: adminKey };
}, 60_000);
afterAll(async () => {
  await service?.close();
  await Promise.all([far?.close(), beats?.close(), app?.close()]);
});

describe('mailover alerts test', () => {
  test('says of each sink whether it works, and leaves nothing open', async () => {
    const { status, out } = await run(['alerts', 'test'], { env });
    expect(status).toBe(0);
    expect(out.match(/works/g)).toHaveLength(7);
    expect(far.pagerduty.heard.map(({ action }) => action)).toEqual(['trigger', 'resolve']);
    expect(far.opsgenie.heard.map(({ action }) => action)).toEqual(['create', 'close']);
    expect(far.slack.heard[0]?.about).toContain('TEST');
    for (const side of [far.slack, far.pagerduty, far.opsgenie, far.webhook, far.json])
      expect(side.refused).toEqual([]);
  });

  test('says why one does not, without a secret, and exits 1', async () => {
    far.slack.server.setFault({ reply: { status: 403, body: 'invalid_token /services/T0/B0/made-up' } });
    far.pagerduty.server.setFault({ act: 'refuse' });
    const { status, out } = await run(['alerts', 'test', '--json'], { env });
    expect(status).toBe(1);
    const results = JSON.parse(out) as { sink: string; ok: boolean; detail: string }[];
    expect(results.filter(({ ok }) => !ok).map(({ sink, detail }) => [sink, detail])).toEqual([
      ['chat', 'HTTP 403: invalid_token ••••'],
      ['pager', 'connection refused'],
    ]);
    const one = await run(['alerts', 'test', '--sink', 'hook'], { env });
    expect([one.status, one.out.match(/works/g)?.length]).toEqual([0, 1]);
    const none = await run(['alerts', 'test', '--sink', 'none'], { env });
    expect([none.status, none.err]).toEqual([1, expect.stringContaining('chat, pager, genie, hook, own, mail, line')]);
    far.slack.server.setFault(null);
    far.pagerduty.server.setFault(null);
  });

  test('needs a key that may operate', async () => {
    const made = await service.call('POST', '/v1/keys', { name: 'reader', scopes: ['read', 'send'] });
    const headers = { authorization: `Bearer ${made.body.key}` };
    for (const [method, path] of [
      ['POST', '/v1/alerts/test'],
      ['GET', '/v1/dead-letters'],
      ['POST', '/v1/dead-letters/replay'],
    ] as const)
      expect((await service.call(method, path, method === 'GET' ? undefined : {}, headers)).status).toBe(403);
  });
});

test('dead letters are listed, counted, and sent again; that stands in the audit', async () => {
  // A letter that the far side refuses as such, and an event that nobody wants any more.
  far.webhook.server.setFault({ reply: { status: 422 } });
  app.setFault({ reply: { status: 410 } });
  await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'suspend' });
  const mail = await service.send();
  const listed = async () => (await service.call('GET', '/v1/dead-letters')).body.data;
  await until(async () => (await listed()).length >= 2, { what: 'both to be given up' });
  const { out } = await run(['dead-letters'], { env });
  expect(out).toMatch(/alr_\w+ +alert +hook +[\d: -]+ CRITICAL: primary refuses our account +HTTP 422/);
  expect(out).toMatch(new RegExp(`${mail} +event +app +[\\d: -]+ ${mail} +HTTP 410`));
  const metrics = String((await service.call('GET', '/metrics')).body);
  expect(metrics).toMatch(/mailover_dead_letters\{kind="alert",to="hook"\} [1-9]/);
  expect(metrics).toContain('mailover_dead_letters{kind="event",to="app"} 1');
  // The other sinks hear that this one has dead letters; it does not itself.
  await until(() => far.slack.heard.some(({ body }) => String(body.text).includes('to hook nobody took')), {
    what: 'the word',
    within: 20_000,
  });

  far.webhook.server.setFault(null);
  app.setFault(null);
  const told = app.requests.length;
  const replay = await run(['dead-letters', '--replay', '--to', 'hook', '--yes'], { env });
  expect(replay.out).toMatch(/^[1-9]\d* on their way again/);
  expect((await run(['dead-letters', '--replay', '--yes', '--json'], { env })).status).toBe(0);
  await until(
    () => far.webhook.heard.some(({ action }) => action === 'alert.triggered') && app.requests.length > told,
    { what: 'both' },
  );
  await until(async () => (await listed()).length === 0, { what: 'none to be left' });
  const keys = far.webhook.heard.map(({ body }) => (body.data as { key: string }).key);
  expect(keys).not.toContain('dead/hook');
  const { body: audit } = await service.call('GET', '/v1/audit?what=dead_letters.replay');
  expect(audit.data.map(({ target }: { target: string }) => target)).toEqual(['all', 'hook']);
  await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'deliver' });
});

describe('the heartbeat', () => {
  test('stops while the leader cannot write to the store, and goes on after that', { timeout: 60_000 }, async () => {
    const count = beats.requests.length;
    await until(() => beats.requests.length > count, { what: 'a beat', within: 10_000 });
    await service.redis.kill('SIGSTOP');
    const stopped = beats.requests.length;
    const until7s = performance.now() + 7_000;
    await until(() => performance.now() > until7s, { what: 'the next beat to be due', within: 8_000 });
    expect(beats.requests.length).toBe(stopped);
    await service.redis.kill('SIGCONT');
    await until(() => beats.requests.length > stopped, { what: 'the next beat', within: 20_000 });
  });

  test('is not sent when the leader does not look, and its failure is logged once', async () => {
    const warned: string[] = [];
    const log = { info: () => {}, warn: (_: object, text: string) => warned.push(text), error: () => {} };
    const outgoing = createOutgoing(createPlaces(['127.0.0.0/8']), Date.now);
    const before = beats.requests.length;
    const settings = { url: `${beats.url}/own`, every: 1 };
    const own = () => beats.requests.slice(before).filter(({ path }) => path === '/own').length;
    await heartbeatChore(settings, outgoing, () => false, log).run();
    expect(own()).toBe(0);
    beats.setFault({ reply: { status: 500 }, taken: true });
    const chore = heartbeatChore(settings, outgoing, () => true, log);
    await chore.run();
    await chore.run();
    expect(own()).toBe(2);
    expect(warned).toHaveLength(1);
    outgoing.close();
  });
});
