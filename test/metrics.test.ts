// Metrics tell the truth: each one held against mail that really went its way, and against a store that is away.
import { afterEach, describe, expect, test } from 'vitest';
import { keys } from '../src/store/keys.ts';
import { event, newFarSide, ownProviders, webhookSecret } from './support/own-provider.ts';
import { type Service, type ServiceOptions, startService } from './support/service.ts';
import { until } from './support/until.ts';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function stage(options: ServiceOptions = {}) {
  const far = newFarSide();
  const service = await startService({ ...options, settings: { ...ownProviders, ...options.settings } });
  open.push(() => service.close());
  return { far, service };
}

/** All samples of ours by name and labels, as Prometheus reads them. */
async function samples(service: Service): Promise<Record<string, number>> {
  const { status, body } = await service.call('GET', '/metrics');
  expect(status).toBe(200);
  const found: Record<string, number> = {};
  for (const [, name = '', value] of body.matchAll(/^(mailover_\S+(?:\{.*\})?) (\S+)$/gm)) found[name] = Number(value);
  return found;
}

/** Those of one metric that are not 0. */
async function told(service: Service, name: string): Promise<Record<string, number>> {
  const all = Object.entries(await samples(service));
  return Object.fromEntries(all.filter(([key, value]) => key.split('{')[0] === name && value !== 0));
}

/** All samples once these are among them: what is stored is counted a moment later. */
const counted = (service: Service, expected: Record<string, number>) =>
  until(async () => {
    const all = await samples(service);
    expect(all).toMatchObject(expected);
    return all;
  });

/** Waits until those of one metric that are not 0 are these. */
const tells = (service: Service, name: string, expected: Record<string, number>) =>
  until(async () => {
    expect(await told(service, name)).toEqual(expected);
    return true;
  });

const webhook = (service: Service, provider: string, ...events: ReturnType<typeof event>[]) =>
  service.call('POST', `/webhooks/${provider}`, { events }, { 'x-secret': webhookSecret });

describe('what is counted', () => {
  test('statuses, hand-overs and failovers, each once', async () => {
    const { far, service } = await stage({
      settings: {
        streams: { default: { providers: ['first', 'second'] }, held: { providers: ['second'], on_unknown: 'hold' } },
      },
    });
    const plain = await service.send();
    await service.settled(plain, ['sent']);
    far.send = (provider) => (provider === 'first' ? { outcome: 'failed', reason: 'rate_limited', detail: '' } : null);
    const moved = await service.send();
    await service.settled(moved, ['sent']);
    far.send = () => ({ outcome: 'unknown', reason: 'unmapped', detail: '' });
    const held = await service.send({ stream: 'held' });
    await service.settled(held, ['held']);
    await service.send({ scheduled_at: new Date(Date.now() + 3_600_000).toISOString() });

    await tells(service, 'mailover_emails_total', {
      // One of them between its two tries, once more.
      'mailover_emails_total{stream="default",status="queued"}': 3,
      'mailover_emails_total{stream="default",status="scheduled"}': 1,
      'mailover_emails_total{stream="default",status="sending"}': 3,
      'mailover_emails_total{stream="default",status="sent"}': 2,
      'mailover_emails_total{stream="held",status="queued"}': 2,
      'mailover_emails_total{stream="held",status="sending"}': 1,
      'mailover_emails_total{stream="held",status="held"}': 1,
    });
    await tells(service, 'mailover_attempts_total', {
      'mailover_attempts_total{provider="first",outcome="accepted"}': 1,
      'mailover_attempts_total{provider="first",outcome="failed"}': 1,
      'mailover_attempts_total{provider="second",outcome="accepted"}': 1,
      'mailover_attempts_total{provider="second",outcome="unknown"}': 1,
    });
    await tells(service, 'mailover_failovers_total', {
      'mailover_failovers_total{from="first",to="second",cause="rate_limited"}': 1,
    });
    await tells(service, 'mailover_unmapped_answers_total', {
      'mailover_unmapped_answers_total{provider="second"}': 1,
    });
    expect(await told(service, 'mailover_held')).toEqual({ mailover_held: 1 });
    expect((await samples(service))['mailover_queue_depth{state="delayed"}']).toBe(1);
  });

  test('the time to a provider’s yes is in the hand-off, not that to the first try', async () => {
    const { far, service } = await stage();
    let tries = 0;
    far.send = () =>
      tries++ < 2 ? { outcome: 'failed', reason: 'rate_limited', detail: '', retryAfterMs: 1_500 } : null;
    await service.settled(await service.send(), ['sent']);
    const found = await counted(service, { mailover_handoff_seconds_count: 1 });
    expect(found.mailover_handoff_seconds_sum).toBeGreaterThan(1.4);
    // A provider that takes its time.
    far.send = (() => new Promise((resolve) => setTimeout(() => resolve(accepted), 400))) as never;
    const began = Date.now();
    await service.settled(await service.send(), ['sent']);
    const after = await counted(service, { mailover_handoff_seconds_count: 2 });
    const took = after.mailover_handoff_seconds_sum! - found.mailover_handoff_seconds_sum!;
    expect(took).toBeGreaterThanOrEqual(0.4);
    expect(took).toBeLessThanOrEqual((Date.now() - began) / 1_000);
  });

  test('a delivery counts once for each recipient, whatever is said twice', async () => {
    const { service } = await stage();
    const [ada, bob] = ['ada@example.com', 'bob@example.com'];
    const id = await service.send({ to: [ada, bob] });
    await service.settled(id, ['sent']);
    const first = event(id, 'delivered', { recipient: ada });
    for (const one of [
      first,
      first,
      event(id, 'delivered', { recipient: ada }),
      event(id, 'opened', { recipient: ada }),
    ])
      await webhook(service, 'first', one);
    const count = async () => (await samples(service))['mailover_delivery_seconds_count{provider="first"}'];
    expect(await count()).toBe(1);
    await webhook(service, 'first', event(id, 'delivered', { recipient: bob }));
    expect(await count()).toBe(2);
    await webhook(service, 'first', event('em_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'delivered'));
    await service.call('POST', '/webhooks/first', {}, { 'x-secret': 'wrong' });
    const what = (kind: string) => `mailover_webhooks_total{provider="first",what="${kind}"}`;
    expect(await told(service, 'mailover_webhooks_total')).toEqual({
      ...{
        [what('events')]: 6,
        [what('delivered')]: 4,
        [what('opened')]: 1,
        [what('foreign')]: 1,
        [what('forged')]: 1,
      },
    });
  });

  test('labels are from closed lists, whatever a caller sends', async () => {
    const { service } = await stage();
    for (let n = 0; n < 20; n++) {
      await service.call('GET', `/nowhere/${n}`);
      await service.call('GET', `/v1/emails/em_${n}`);
      await service.call('POST', `/webhooks/stranger${n}`, {});
      await service.call('POST', '/v1/emails', {
        from: `a${n}@b.example`,
        to: 'x',
        subject: 's',
        stream: `stream${n}`,
      });
    }
    // The first look makes a route of its own.
    await samples(service);
    const before = Object.keys(await samples(service)).length;
    for (let n = 20; n < 60; n++) {
      await service.call('GET', `/nowhere/${n}`);
      await service.call('POST', `/webhooks/stranger${n}`, {});
      await service.call('POST', '/v1/emails', {
        from: `a${n}@b.example`,
        to: 'x',
        subject: 's',
        stream: `stream${n}`,
      });
    }
    expect(Object.keys(await samples(service)).length).toBe(before);
  });
});

describe('what is read from the shared state', () => {
  test('silence, pins, states, incidents, suppressions, who leads, and when it judged', async () => {
    const { service } = await stage();
    const id = await service.send();
    await service.settled(id, ['sent']);
    await service.call('POST', '/v1/suppressions', { address: 'bob@example.com', reason: 'made up' });
    await service.call('POST', '/v1/failover', { to: 'second', stream: 'default', reason: 'made up', for: '1h' });
    await service.call('POST', '/v1/providers/first/quarantine', { reason: 'made up' });
    const found = await until(async () => {
      const all = await samples(service);
      return (
        all['mailover_incidents_open{cause="quarantined"}'] === 1 &&
        all['mailover_pinned{stream="default",to="second"}'] === 1 &&
        all
      );
    });
    expect(found).toMatchObject({
      'mailover_unconfirmed{provider="first"}': 1,
      'mailover_unconfirmed{provider="second"}': 0,
      'mailover_provider_up{provider="first"}': 0,
      'mailover_provider_up{provider="second"}': 1,
      'mailover_provider_state{provider="first",state="quarantined"}': 1,
      'mailover_provider_state{provider="first",state="up"}': 0,
      'mailover_provider_state{provider="second",state="up"}': 1,
      'mailover_incidents_open{cause="silence"}': 0,
      mailover_suppressed: 1,
      mailover_leader: 1,
      mailover_ready: 1,
      mailover_store_up: 1,
      [`mailover_build_info{version="0.0.0-test",node="${process.version}"}`]: 1,
    });
    expect(found['mailover_oldest_unconfirmed_seconds{provider="first"}']).toBeGreaterThan(0);
    // Nothing is known of their usual delays, so nothing is said of their silence; and this Redis has no limit.
    expect(Object.keys(found).filter((name) => /^mailover_(silence|redis_memory_limit)/.test(name))).toEqual([]);
    expect(found.mailover_redis_memory_used_bytes).toBeGreaterThan(500_000);
    expect(Date.now() / 1_000 - found.mailover_judged_timestamp_seconds!).toBeLessThan(10);
    const client = await service.redis.client();
    await client.config('SET', 'maxmemory', '64mb');
    expect((await samples(service)).mailover_redis_memory_limit_bytes).toBe(67_108_864);
  });

  test('silence, once the usual delays are known', async () => {
    const { service } = await stage();
    const client = await service.redis.client();
    const finding = { at: Date.now(), kind: 'silent', score: 8.25, since: 0, detail: '', share: 1, p50: 1, p99: 2 };
    // As the leading monitor leaves it; it would overwrite this one at its next look.
    await service.running.close();
    const other = await startService({ settings: ownProviders, roles: ['api'], redis: service.redis });
    open.push(() => other.close());
    await client.set(keys.finding('first'), JSON.stringify(finding));
    expect(await told(other, 'mailover_silence')).toEqual({ 'mailover_silence{provider="first"}': 8.25 });
    expect(Object.keys(await samples(other))).not.toContain('mailover_leader');
  });

  test('jobs that nobody takes grow old, by lane; mail that no provider takes waits', async () => {
    const streams = {
      default: { providers: ['first'] },
      bulk: { providers: ['first'], priority: 'bulk' },
    };
    const { service } = await stage({ settings: { streams }, roles: ['api'] });
    const sentAt = Date.now();
    await service.send({ stream: 'bulk' });
    const age = 'mailover_queue_oldest_seconds';
    const bulk = `${age}{lane="bulk"}`;
    await until(async () => ((await samples(service))[bulk] ?? 0) > 0.2);
    const ages = await told(service, age);
    expect(ages).toEqual({ [bulk]: expect.any(Number) });
    expect(ages[bulk]).toBeGreaterThan(0.2);
    expect(ages[bulk]).toBeLessThanOrEqual((Date.now() - sentAt) / 1_000);
    expect((await samples(service))['mailover_queue_depth{state="waiting"}']).toBe(1);
    const away = { outcome: 'failed', reason: 'connection_failed', detail: '' } as const;
    newFarSide().send = () => away;
    const worker = await startService({
      settings: { ...ownProviders, streams },
      roles: ['worker'],
      redis: service.redis,
    });
    open.push(() => worker.close());
    await until(async () => (await samples(service)).mailover_waiting === 1);
    expect(await told(service, age)).toEqual({});
  });

  test('while Redis is away: the metrics are there, and say so', async () => {
    const { service } = await stage();
    await service.settled(await service.send(), ['sent']);
    await service.redis.kill('SIGKILL');
    const away = await until(async () => {
      const all = await samples(service);
      return all.mailover_ready === 0 && all;
    });
    expect(away).toMatchObject({
      mailover_store_up: 0,
      'mailover_attempts_total{provider="first",outcome="accepted"}': 1,
      'mailover_provider_up{provider="first"}': 1,
    });
    const stored = /^mailover_(queue|unconfirmed|oldest|silence|incidents|held|waiting|suppressed|redis)/;
    expect(Object.keys(away).filter((name) => stored.test(name))).toEqual([]);
    await service.redis.restart();
    await until(async () => {
      const all = await samples(service);
      return all.mailover_store_up === 1 && all.mailover_held === 0 && all.mailover_ready === 1;
    });
  });
});

const accepted = { outcome: 'accepted', reason: null, detail: '', providerMessageId: null };
