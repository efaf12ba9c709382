// For machines that watch: liveness, readiness, and the metrics of the contract with values that fit what has happened.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, sandboxes, sendMany } from '../support/service.ts';
import { until } from '../support/until.ts';
import { behave, expectProblem, someone, startStage } from './stage.ts';

let service: Service;
beforeAll(async () => {
  service = await startStage();
});
afterAll(() => service.close());

const nobody = { authorization: '' };

/** Samples by name and labels, as `name{a="x",b="y"}`, labels sorted. */
function samplesOf(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = '', value] = /^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    expect(name, line).toBeDefined();
    samples.set(labels ? `${name}{${labels.split(',').sort().join(',')}}` : name!, Number(value));
  }
  return samples;
}

const metrics = async (of: Service, headers: Record<string, string> = nobody) =>
  samplesOf((await of.call('GET', '/metrics', undefined, headers)).body);

test('alive and ready, for anybody who asks', async () => {
  for (const path of ['/health/live', '/health/ready']) {
    const { status, body } = await service.call('GET', path, undefined, nobody);
    expect({ status, body }).toEqual({ status: 200, body: { status: 'ok', reasons: [], notes: [] } });
  }
});

test('a process without workers is as ready as one with them', async () => {
  const api = await startStage({ redis: service.redis, roles: ['api'] });
  expect((await api.call('GET', '/health/ready')).status).toBe(200);
  await api.close();
});

test('a service that shuts down finishes what it has begun, and takes nothing more', async () => {
  const other = await startStage({ redis: service.redis });
  const ids = await sendMany(other, 5);
  await other.close();
  await expect(fetch(`${other.url}/health/live`)).rejects.toThrow();
  await service.allSettled(ids, ['delivered']);
});

describe('metrics', () => {
  test('are text for Prometheus: help and type for each, in valid syntax', async () => {
    const { status, headers, body } = await service.call('GET', '/metrics', undefined, nobody);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const [name, type] of Object.entries({
      mailover_emails_total: 'counter',
      mailover_attempts_total: 'counter',
      mailover_provider_up: 'gauge',
      mailover_failovers_total: 'counter',
      mailover_rescued_total: 'counter',
      mailover_queue_depth: 'gauge',
      mailover_handoff_seconds: 'histogram',
      mailover_delivery_seconds: 'histogram',
      process_cpu_seconds_total: 'counter',
      nodejs_eventloop_lag_seconds: 'gauge',
    })) {
      expect(body).toContain(`# TYPE ${name} ${type}\n`);
      expect(body).toMatch(new RegExp(`^# HELP ${name} \\S`, 'm'));
    }
    expect(samplesOf(body).size).toBeGreaterThan(50);
  });

  test('count what has happened', { timeout: 60_000 }, async () => {
    const before = await metrics(service);
    const since = (after: Map<string, number>, name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);

    const delivered = await sendMany(service, 20);
    await service.allSettled(delivered, ['delivered']);
    await behave(service, 'primary', 'reject');
    await service.settled(await service.send({ stream: 'critical', to: someone() }), ['failed']);
    await behave(service, 'primary', 'error');
    const moved = await service.send();
    await service.settled(moved, ['delivered']);
    await behave(service, 'primary', 'deliver');
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const scheduled = await service.send({ scheduled_at: at });
    const dropped = await service.send({ scheduled_at: at });
    await service.call('POST', `/v1/emails/${dropped}/cancel`);
    await service.call('POST', '/v1/emails', { subject: 'no mail' });

    const expected: Record<string, number> = {
      // One of them twice: it waited for its second provider for a moment.
      'mailover_emails_total{status="queued",stream="default"}': 22,
      'mailover_emails_total{status="cancelled",stream="default"}': 1,
      'mailover_emails_total{status="scheduled",stream="default"}': 2,
      'mailover_emails_total{status="sending",stream="default"}': 22,
      'mailover_emails_total{status="sent",stream="default"}': 21,
      'mailover_emails_total{status="delivered",stream="default"}': 21,
      'mailover_emails_total{status="queued",stream="critical"}': 1,
      'mailover_emails_total{status="failed",stream="critical"}': 1,
      'mailover_emails_total{status="failed",stream="default"}': 0,
      'mailover_attempts_total{outcome="accepted",provider="primary"}': 20,
      'mailover_attempts_total{outcome="rejected",provider="primary"}': 1,
      'mailover_attempts_total{outcome="failed",provider="primary"}': 1,
      'mailover_attempts_total{outcome="accepted",provider="standby"}': 1,
      'mailover_failovers_total{cause="provider_error",from="primary",to="standby"}': 1,
      mailover_handoff_seconds_count: 21,
      'mailover_delivery_seconds_count{provider="primary"}': 20,
      'mailover_delivery_seconds_count{provider="standby"}': 1,
    };
    // The last counts come a moment after the answers do.
    const after = await until(
      async () => {
        const now = await metrics(service);
        return Object.entries(expected).every(([name, value]) => since(now, name) >= value) && now;
      },
      { what: 'the counts to be complete', within: 5_000 },
    ).catch(() => metrics(service));
    const found = Object.fromEntries(Object.keys(expected).map((name) => [name, since(after, name)]));
    expect(found).toEqual(expected);

    expect(after.get('mailover_provider_up{provider="primary"}')).toBe(1);
    expect(after.get('mailover_provider_up{provider="standby"}')).toBe(1);
    expect(after.get('mailover_queue_depth{state="delayed"}')).toBe(1);
    for (const state of ['waiting', 'active', 'failed'])
      expect(after.get(`mailover_queue_depth{state="${state}"}`)).toBe(0);
    const inTime = after.get('mailover_handoff_seconds_bucket{le="5"}')!;
    expect(inTime).toBe(after.get('mailover_handoff_seconds_count'));
    expect(after.get('mailover_handoff_seconds_sum')).toBeGreaterThan(0);
    await service.call('POST', `/v1/emails/${scheduled}/cancel`);
  });

  test('show a provider that is out of use', { timeout: 60_000 }, async () => {
    await behave(service, 'primary', 'suspend');
    await service.settled(await service.send(), ['sent', 'delivered']);
    const up = async () => (await metrics(service)).get('mailover_provider_up{provider="primary"}');
    await until(async () => (await up()) === 0, { what: 'the primary to be out' });
    const { body } = await service.call('GET', '/v1/providers/primary');
    expect(body).toMatchObject({ state: 'suspended', window: { refused: 1 } });
    expect(Date.parse(body.until)).toBeGreaterThan(Date.parse(body.since));
    expect(body.reason).toContain('the account is refused');
  });

  test('ask for their token where one is set, and for nothing else', async () => {
    const closed = await startStage({ settings: { ...sandboxes, server: { metrics_token: 'made-up-metrics-token' } } });
    for (const authorization of [
      '',
      'made-up-metrics-token',
      'Bearer made-up-metrics-toke',
      'Bearer made-up-metrics-tokenx',
      'Basic made-up-metrics-token',
    ])
      expectProblem(await closed.call('GET', '/metrics', undefined, { authorization }), 'invalid_api_key');
    expectProblem(await closed.call('GET', '/metrics'), 'invalid_api_key');
    expect((await metrics(closed, { authorization: 'Bearer made-up-metrics-token' })).size).toBeGreaterThan(50);
    const mail = await closed.call('GET', '/v1/emails', undefined, { authorization: 'Bearer made-up-metrics-token' });
    expectProblem(mail, 'invalid_api_key');
    await closed.close();
  });
});
