// Whole incidents through every sink: what the people who are woken get to read, and what each far side makes of it.
import { afterEach, expect, test } from 'vitest';
import { keys } from '../../src/store/keys.ts';
import { startHttpServer } from '../support/http-server.ts';
import { swiftPast } from '../support/past.ts';
import { startRedis } from '../support/redis.ts';
import { type Service, sandboxes, startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { type FarSide, type FarSides, outgoing, signingSecret, startFarSides, startReceiver } from './far-sides.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

interface Stage {
  readonly far: FarSides;
  readonly app: FarSide;
  readonly service: Service;
  readonly beats: () => number;
  readonly settings: Record<string, unknown>;
}

async function stage(settings: Record<string, unknown>, past = false): Promise<Stage> {
  const far = await startFarSides();
  const app = await startReceiver(signingSecret);
  const beats = await startHttpServer();
  const redis = await startRedis();
  for (const one of [far, app.server, beats]) open.push(one);
  open.push({ close: () => redis.stop() });
  if (past) await (await redis.client()).set(keys.curve('primary'), JSON.stringify(swiftPast()));
  const all = {
    providers: sandboxes.providers,
    streams: { default: { providers: ['primary', 'standby'] }, alerts: { providers: ['primary', 'standby'] } },
    webhooks: { app: { url: `${app.server.url}/hooks`, secrets: [signingSecret] } },
    alerts: {
      sinks: far.settings,
      group_for: '1s',
      link: 'https://runbook.acme.example/{incident}',
      heartbeat: { url: `${beats.url}/beat`, every: '5s' },
    },
    outgoing,
    ...settings,
  };
  const service = await startService({ redis, settings: all });
  open.push(service);
  return { far, app, service, beats: () => beats.requests.length, settings: all };
}

const behave = (service: Service, mode: string) => service.call('PUT', '/v1/providers/primary/sandbox', { mode });
const sides = ({ slack, pagerduty, opsgenie, webhook, json }: FarSides) => [slack, pagerduty, opsgenie, webhook, json];
const actions = ({ heard }: FarSide) => heard.map(({ action }) => action);

/** The alerts that were mailed, as they lie in the inboxes. */
async function mailed(service: Service): Promise<{ provider: string; subject: string; message_id: string }[]> {
  const { body } = await service.call('GET', '/v1/sandbox/inbox?limit=1000');
  return body.data.filter(({ to }: { to: string[] }) => to.includes('oncall@acme.example')).reverse();
}

test('a suspended account: told within seconds, taken on, over', { timeout: 60_000 }, async () => {
  const health = { rest: '2s', max_rest: '2s', probe_interval: '100ms', probes: 1, ramp_dwell: '1s' };
  const { far, app, service, beats } = await stage({ health });
  await until(() => beats() > 0, { what: 'the first heartbeat' });
  await behave(service, 'suspend');
  await service.send();
  const began = performance.now();
  const [triggered] = await until(() => far.pagerduty.heard.length > 0 && far.pagerduty.heard, { what: 'the page' });
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(triggered?.body).toMatchObject({
    payload: { severity: 'critical', source: 'primary', summary: 'primary refuses our account', class: 'provider' },
  });
  const { id } = (await service.call('GET', '/v1/incidents?state=open')).body.data[0];
  expect(far.webhook.heard[0]).toMatchObject({
    action: 'alert.triggered',
    body: {
      data: { provider: 'primary', incident: id, severity: 'critical', link: `https://runbook.acme.example/${id}` },
    },
  });

  // Taken on here, it is taken on there.
  await service.call('POST', `/v1/incidents/${id}/acknowledge`);
  await until(() => actions(far.pagerduty).includes('acknowledge') && actions(far.opsgenie).includes('acknowledge'), {
    what: 'the acknowledgement',
  });

  await behave(service, 'deliver');
  await until(
    async () => {
      await service.send();
      return sides(far).every((side) =>
        side.heard.some(({ about, action }) => /resolve|close/.test(action) || about.startsWith('RESOLVED')),
      );
    },
    { what: 'the end at every sink', within: 40_000, every: 50 },
  );
  for (const side of sides(far)) expect(side.refused).toEqual([]);
  // One episode, from the first word to the last; each far side would have joined them.
  for (const side of [far.pagerduty, far.opsgenie]) expect(new Set(side.heard.map(({ about }) => about)).size).toBe(1);
  expect(actions(far.pagerduty)[0]).toBe('trigger');
  expect(actions(far.pagerduty).at(-1)).toBe('resolve');
  expect(actions(far.opsgenie)[0]).toBe('create');
  expect(actions(far.opsgenie).at(-1)).toBe('close');
  expect(service.log.filter(({ alert }) => alert === 'provider/primary').map(({ action }) => action)).toEqual(
    actions(far.webhook).map(
      (action) =>
        ({
          'alert.triggered': 'trigger',
          'alert.acknowledged': 'acknowledge',
          'alert.updated': 'update',
          'alert.resolved': 'resolve',
        })[action],
    ),
  );

  // Mailed around the provider in question, each letter once; and no application hears of it.
  const mails = await until(
    async () => {
      const found = await mailed(service);
      return found.some(({ subject }) => subject.includes('RESOLVED')) && found;
    },
    { what: 'the mail of the end' },
  );
  expect(mails[0]?.subject).toBe('[Mailover] CRITICAL: primary refuses our account');
  for (const { subject, provider } of mails) if (!subject.includes('RESOLVED')) expect(provider).toBe('standby');
  expect(new Set(mails.map(({ subject }) => subject)).size).toBe(mails.length);
  expect(JSON.stringify(app.heard)).not.toContain('[Mailover]');
  expect(app.heard.length).toBeGreaterThan(0);

  // Nothing in any alert that was in a mail.
  const all = JSON.stringify(sides(far).map(({ heard }) => heard));
  for (const secret of ['ada@example.com', 'It works.', 'Hello', 'oncall@', adminSecret])
    expect(all).not.toContain(secret);
});
const adminSecret = 'made-up-admin-key-for-tests';

test('a black hole: suspected, certain, with what was moved and sent again', { timeout: 150_000 }, async () => {
  const { far, service } = await stage({}, true);
  let over = false;
  const sending = (async () => {
    const began = performance.now();
    for (let sent = 0; !over; sent++) {
      await service.send({ to: [`u${sent}@d${sent % 30}.example`] });
      const early = began + (sent + 1) * 50 - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    }
  })();
  const finding = async () => (await service.call('GET', '/v1/providers/primary')).body.confirmation.finding;
  await until(async () => (await finding()) === 'fine', {
    within: 60_000,
    every: 100,
    what: 'the usual delays to be known',
  });
  await behave(service, 'blackhole');
  // On a busy machine the hole may look like a part of the mail.
  const swallows = /swallows (a part of its )?mail/;
  await until(() => far.pagerduty.heard.some(({ body }) => swallows.test(JSON.stringify(body))), {
    within: 60_000,
    what: 'the page',
  });
  const texts = () => far.slack.heard.map(({ body }) => String(body.text));
  await until(() => texts().some((one) => one.includes('CRITICAL') && swallows.test(one)), {
    what: 'the chat',
  });
  over = true;
  await sending;
  const text = texts().find((one) => one.includes('CRITICAL')) ?? '';
  expect(text).toMatch(/Mail is missing since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
  expect(text).toContain('New mail goes another way: default to standby and alerts to standby.');
  expect(text).toMatch(/`mailover acknowledge inc_\w+`/);
  // The suspicion came first, and is the same episode.
  const [first] = far.webhook.heard;
  expect(first).toMatchObject({
    action: 'alert.triggered',
    body: { data: { severity: 'warning', title: 'primary has gone quiet' } },
  });
  const episodes = far.webhook.heard.map(({ body }) => (body.data as { episode: string }).episode);
  expect(new Set(episodes).size).toBe(1);
  for (const side of sides(far)) expect(side.refused).toEqual([]);
  // What was sent again is news of its own.
  const done = await until(() => texts().find((one) => one.includes('has been dealt with')), {
    what: 'the end of the rescue',
    within: 60_000,
  });
  expect(done).toMatch(/[1-9]\d* sent again after it was swallowed/);
});

test('a leader that takes over neither repeats nor forgets', { timeout: 90_000 }, async () => {
  const health = { rest: '2s', max_rest: '2s', probe_interval: '100ms', probes: 1, ramp_dwell: '1s' };
  const { far, service, settings } = await stage({ health });
  await behave(service, 'suspend');
  await service.send();
  await until(() => far.pagerduty.heard.length === 1, { what: 'the page' });
  const second = await startService({ redis: service.redis, settings });
  open.push(second);
  await service.running.close();
  await behave(second, 'deliver');
  await until(
    async () => {
      await second.send();
      return actions(far.pagerduty).includes('resolve');
    },
    { what: 'the end, told by the second', within: 40_000, every: 50 },
  );
  expect(actions(far.webhook).filter((action) => action === 'alert.triggered')).toHaveLength(1);
  expect(new Set(far.pagerduty.heard.map(({ about }) => about)).size).toBe(1);
});
