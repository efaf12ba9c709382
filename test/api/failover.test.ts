// /v1/failover and …/quarantine: moved by hand at once, refused where it would strand mail, never a quarantined provider, all of it audited.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Answer, Service } from '../support/service.ts';
import { until } from '../support/until.ts';
import { expectProblem, keyFor, startStage } from './stage.ts';

let service: Service;
beforeEach(async () => {
  service = await startStage({
    settings: {
      providers: {
        primary: { type: 'sandbox', latency: '0ms' },
        standby: { type: 'sandbox', latency: '0ms' },
        narrow: { type: 'sandbox', latency: '0ms', from_domains: ['other.example'] },
      },
      streams: {
        default: { providers: ['primary', 'standby', 'narrow'] },
        lone: { providers: ['standby', 'primary'] },
      },
    },
  });
});
afterEach(() => service.close());

const pin = (body: object, headers?: Record<string, string>) => service.call('POST', '/v1/failover', body, headers);
const unpin = (query = '') => service.call('DELETE', `/v1/failover${query}`);
const takeOut = (name: string, body: object = {}, headers?: Record<string, string>) =>
  service.call('POST', `/v1/providers/${name}/quarantine`, { reason: 'intruders', ...body }, headers);
const letIn = (name: string) => service.call('POST', `/v1/providers/${name}/release`, { reason: 'keys changed' });
const stateOf = async (name: string) => (await service.call('GET', `/v1/providers/${name}`)).body.state;
const wentTo = async (mail: object = {}) =>
  (await service.settled(await service.send({ ...mail }), ['delivered'])).provider;
const audited = async (): Promise<Answer['body'][]> => (await service.call('GET', '/v1/audit?limit=100')).body.data;
const targets = ({ body }: Answer) => body.data.map(({ stream, to }: Answer['body']) => [stream, to]);

test('a pin moves the mail at once, is shown, and is taken back', async () => {
  expect(await wentTo()).toBe('primary');
  const answer = await pin({ to: 'standby', stream: 'default', reason: 'it looks odd', for: '2h' });
  expect(answer).toMatchObject({
    status: 200,
    body: {
      data: [
        {
          object: 'pin',
          stream: 'default',
          to: 'standby',
          reason: 'it looks odd',
          by: 'admin key from the environment (env)',
        },
      ],
    },
  });
  const { created_at, until: ends } = answer.body.data[0];
  expect(Date.parse(ends) - Date.parse(created_at)).toBe(7_200_000);
  expect(await wentTo()).toBe('standby');
  expect((await service.call('GET', '/v1/failover')).body).toEqual(answer.body);

  expect(targets(await unpin('?stream=default&reason=false%20alarm'))).toEqual([]);
  expect(await wentTo()).toBe('primary');
  expect(await audited()).toMatchObject([
    {
      what: 'failover.unpin',
      target: 'stream default',
      before: { default: { to: 'standby', reason: 'it looks odd' } },
      after: null,
      why: 'false alarm',
    },
    {
      what: 'failover.pin',
      who: 'env',
      from: '127.0.0.1',
      before: null,
      after: { default: { to: 'standby' } },
      why: 'it looks odd',
    },
  ]);
  expect((await service.call('GET', '/v1/audit/verify')).body).toMatchObject({ ok: true, count: 2 });
});

test('one for all replaces those of single streams; after it a stream may have its own; the same again changes nothing', async () => {
  await pin({ to: 'primary', stream: 'lone', reason: 'one' });
  expect(targets(await pin({ to: 'standby', reason: 'all', force: true }))).toEqual([[null, 'standby']]);
  expect(await wentTo({ stream: 'lone' })).toBe('standby');
  expectProblem(await unpin('?stream=lone'), 'validation_error', ['stream']);
  const entries = (await audited()).length;
  await pin({ to: 'standby', reason: 'all', force: true });
  expect(await audited()).toHaveLength(entries);
  expect(targets(await pin({ to: 'primary', stream: 'lone', reason: 'two' }))).toEqual([
    [null, 'standby'],
    ['lone', 'primary'],
  ]);
  expect(await wentTo({ stream: 'lone' })).toBe('primary');
  expect(targets(await unpin())).toEqual([]);
  expect(targets(await unpin())).toEqual([]);
  expect(await audited()).toHaveLength(entries + 2);
});

test('it ends by itself', async () => {
  await pin({ to: 'standby', reason: 'shortly', for: '1s' });
  expect(await wentTo()).toBe('standby');
  await until(async () => (await service.call('GET', '/v1/failover')).body.data.length === 0, { what: 'its end' });
  expect(await wentTo()).toBe('primary');
  await until(() => service.log.some(({ msg }) => String(msg).startsWith('a pin has run out')), {
    what: 'its removal',
  });
});

describe('refused', () => {
  test.each([
    ['no such provider', { to: 'nobody' }, 'to'],
    ['no such stream', { to: 'standby', stream: 'nobody' }, 'stream'],
    ['an end in the past', { to: 'standby', for: '0s' }, 'for'],
    ['an end that is none', { to: 'standby', for: 'soon' }, 'for'],
    ['no reason', { to: 'standby', reason: ' ' }, 'reason'],
  ])('%s, even forced', async (_name, body, path) => {
    expectProblem(await pin({ reason: 'made up', force: true, ...body }), 'validation_error', [path]);
    expect(await audited()).toEqual([]);
  });

  test('unless forced: a provider that is not well, is not of the stream, or has not verified the sender', async () => {
    await wentTo();
    const narrow = await pin({ to: 'narrow', reason: 'made up' });
    expectProblem(narrow, 'needs_force');
    expect(narrow.body.detail).toMatch(/no provider of the stream lone; default sends from acme.example, which narrow/);
    await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'suspend' });
    await wentTo();
    await until(async () => (await stateOf('primary')) === 'suspended', { what: 'the suspension' });
    const down = await pin({ to: 'primary', reason: 'made up' });
    expectProblem(down, 'needs_force');
    expect(down.body.detail).toContain('primary is suspended: ');
    expect(targets(await service.call('GET', '/v1/failover'))).toEqual([]);

    expect(targets(await pin({ to: 'primary', reason: 'it is well, I have called them', force: true }))).toEqual([
      [null, 'primary'],
    ]);
    expect((await audited())[0]).toMatchObject({ what: 'failover.pin', after: { forced: true } });
    // Nothing is lost over a pin: what the pinned one refuses goes on to one that is well.
    const moved = await service.settled(await service.send(), ['delivered']);
    expect(moved.attempts.map(({ provider, outcome }: Answer['body']) => [provider, outcome])).toEqual([
      ['primary', 'refused'],
      ['standby', 'accepted'],
    ]);
  });

  test('a key without the scope, or for other streams', async () => {
    const reader = await keyFor(service, { scopes: ['read', 'send'] });
    expectProblem(await pin({ to: 'standby', reason: 'x' }, reader), 'insufficient_scope');
    expectProblem(await takeOut('primary', {}, reader), 'insufficient_scope');
    const narrowed = await keyFor(service, { scopes: ['operate'], streams: ['lone'] });
    expectProblem(await pin({ to: 'standby', reason: 'x' }, narrowed), 'stream_not_allowed');
    expectProblem(await takeOut('primary', {}, narrowed), 'stream_not_allowed');
    expect((await pin({ to: 'standby', stream: 'lone', reason: 'x' }, narrowed)).status).toBe(200);
  });
});

describe('quarantine', () => {
  test('takes it out with its pins, opens an incident, and ends at release alone', async () => {
    await pin({ to: 'primary', stream: 'default', reason: 'we like it' });
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const out = await takeOut('primary', { since });
    expect(out).toMatchObject({
      status: 200,
      body: {
        object: 'quarantine',
        provider: 'primary',
        since,
        stranded: [],
        incident: expect.stringMatching(/^inc_/),
      },
    });
    expect(await stateOf('primary')).toBe('quarantined');
    expect(targets(await service.call('GET', '/v1/failover'))).toEqual([]);
    expect(await wentTo()).toBe('standby');
    const incident = async () => (await service.call('GET', `/v1/incidents/${out.body.incident}`)).body;
    expect(await incident()).toMatchObject({
      cause: 'quarantined',
      state: 'open',
      provider: 'primary',
      silent_since: since,
    });

    for (const force of [false, true])
      expectProblem(await pin({ to: 'primary', reason: 'please', force }), 'provider_quarantined');
    expect((await takeOut('primary')).body).toMatchObject({ since, incident: out.body.incident });
    const earlier = new Date(Date.now() - 7_200_000).toISOString();
    expect((await takeOut('primary', { since: earlier })).body).toMatchObject({ since: earlier });
    expect(await incident()).toMatchObject({ silent_since: earlier });

    expect((await letIn('primary')).status).toBe(200);
    expect(await stateOf('primary')).toBe('probing');
    expect(await incident()).toMatchObject({ state: 'closed' });
    expect((await incident()).timeline.map(({ what }: Answer['body']) => what)).toEqual(
      expect.arrayContaining(['opened', 'announced', 'closed']),
    );
    expect((await letIn('primary')).status).toBe(200);
    expect((await audited()).map(({ what, target }) => [what, target])).toEqual([
      ['provider.release', 'primary'],
      ['provider.quarantine', 'primary'],
      ['provider.quarantine', 'primary'],
      ['failover.pin', 'stream default'],
    ]);
    expect((await audited())[2]).toMatchObject({ before: { state: 'up', pins: { default: { to: 'primary' } } } });
  });

  test('leaves no stream without a provider, unless it is forced', async () => {
    expect((await takeOut('standby')).status).toBe(200);
    const refused = await takeOut('primary');
    expectProblem(refused, 'needs_force');
    expect(refused.body.detail).toContain('lone (standby is quarantined)');
    expect(await stateOf('primary')).toBe('up');
    const forced = await takeOut('primary', { force: true });
    expect(forced.body.stranded).toEqual(['lone (standby is quarantined)']);
    const id = await service.send({ stream: 'lone' });
    await until(async () => (await service.redis.client()).zscore('{mailover}:waiting', id), { what: 'it to wait' });
    expect((await service.call('GET', `/v1/emails/${id}`)).body).toMatchObject({ status: 'queued', attempts: [] });
    await letIn('standby');
    expect(await service.settled(id, ['delivered'])).toMatchObject({ provider: 'standby' });
  });

  test('a name that is none is 404, a time to come is 422', async () => {
    expectProblem(await takeOut('nobody'), 'not_found');
    expectProblem(await letIn('nobody'), 'not_found');
    expectProblem(
      await takeOut('primary', { since: new Date(Date.now() + 60_000).toISOString() }),
      'validation_error',
      ['since'],
    );
  });
});
