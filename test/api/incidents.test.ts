// /v1/incidents: list, show, acknowledge; with the service's own store, into which the test writes what a monitor would.

import { pino } from 'pino';
import { ulid } from 'ulid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OpsParts } from '../../src/api/ops.ts';
import { type ApiParts, buildServer } from '../../src/api/server.ts';
import type { Health, HealthState } from '../../src/core/health.ts';
import { allDown, type Incident, type IncidentChange, incidentsAfter } from '../../src/core/incident.ts';
import { createApiKeys } from '../../src/store/api-keys.ts';
import { createIncidents, type IncidentStore } from '../../src/store/incidents.ts';
import { noTraces } from '../../src/tracing/traces.ts';
import { health as someHealth } from '../core/health.cases.ts';
import { adminKey, type Service } from '../support/service.ts';
import { expectProblem, keyFor, startStage } from './stage.ts';

let service: Service;
let incidents: IncidentStore;
beforeAll(async () => {
  // Without a monitor: it would close what the test opens.
  service = await startStage({ roles: ['api', 'worker'] });
  incidents = createIncidents(await service.redis.client(), 90 * 86_400_000, () => at(900));
});
afterAll(() => service.close());

const begin = Date.parse('2031-08-08T15:30:00.000Z');
const at = (seconds: number) => begin + seconds * 1_000;
const iso = (seconds: number) => new Date(at(seconds)).toISOString();
let ids = 0;
const newId = () => `inc_${ulid(begin + ids++)}`;
const health = (state: HealthState, epoch: number, fields: Partial<Health> = {}): Health =>
  someHealth(state, { epoch, cause: null, silentSince: null, ...fields });
const write = async (decide: (open: readonly Incident[]) => IncidentChange[]) => (await incidents.change(decide))[0]!;
const becomes = (provider: string, to: Health, seconds: number) =>
  write((open) => incidentsAfter(open, { provider, from: health('up', 1), to, at: at(seconds) }, newId));
const show = (id: string) => service.call('GET', `/v1/incidents/${id}`);
const acknowledge = (id: string, headers = {}) =>
  service.call('POST', `/v1/incidents/${id}/acknowledge`, undefined, headers);
const audited = async (id: string) =>
  (await service.call('GET', '/v1/audit?limit=100')).body.data.filter(
    ({ target }: { target: string }) => target === id,
  );

test('there are none at first', async () => {
  expect(await service.call('GET', '/v1/incidents')).toMatchObject({
    status: 200,
    body: { object: 'list', data: [], next_cursor: null },
  });
});

describe('one incident', () => {
  test('from its beginning to its end, with its counts', async () => {
    const reason = 'nothing heard of 140 mails since 15:29, such as the one to ada@example.com';
    const down = health('down', 2, { cause: 'silence', silentSince: at(-60), reason });
    const { incident } = await becomes('mailchimp', down, 0);
    const shown = {
      object: 'incident',
      id: incident.id,
      provider: 'mailchimp',
      stream: null,
      cause: 'silence',
      state: 'open',
      opened_at: iso(0),
      closed_at: null,
      silent_since: iso(-60),
      acknowledged_at: null,
      acknowledged_by: null,
      suggestion: null,
      counts: { moved: 0, rescued: 0, expired: 0, held: 0, stranded: 0 },
      rescue: null,
      timeline: [{ at: iso(0), what: 'opened', text: `mailchimp is down: ${reason.replace('ada@', '…@')}` }],
      evidence: [reason.replace('ada@', '…@')],
    };
    expect((await show(incident.id)).body).toEqual(shown);
    const counts = { moved: 5, rescued: 4, expired: 3, held: 2, stranded: 1 } as const;
    for (const [what, by] of Object.entries(counts))
      await incidents.count(incident.id, what as keyof typeof counts, by);
    await becomes('mailchimp', health('up', 3, { reason: '3 probes were delivered' }), 600);
    expect((await show(incident.id)).body).toEqual({
      ...shown,
      state: 'closed',
      closed_at: iso(600),
      counts,
      timeline: [...shown.timeline, { at: iso(600), what: 'closed', text: 'mailchimp is up: 3 probes were delivered' }],
    });
  });

  test('of a stream without a provider', async () => {
    const { incident } = await write((open) =>
      allDown(open, { stream: 'critical', down: true, detail: 'primary and standby rest', at: at(1) }, newId),
    );
    expect((await show(incident.id)).body).toMatchObject({ provider: null, stream: 'critical', cause: 'all_down' });
  });

  test.each(['inc_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'nobody', 'em_01ARZ3NDEKTSV4RRFFQ69G5FAV'])(
    'that there is not: %s',
    async (id) => {
      for (const answer of [await show(id), await acknowledge(id)]) {
        expectProblem(answer, 'not_found');
        expect(answer.body.detail).toContain('retention.incidents');
      }
    },
  );
});

test('how far its rescue is stands in it, where it has one', async () => {
  const rescued = (await becomes('rescued', health('down', 2, { cause: 'silence' }), 2)).incident;
  const failing = (await becomes('failing', health('down', 2, { cause: 'errors' }), 3)).incident;
  const rescue = { state: 'awaiting_approval', candidates: 140 } as const;
  // The server itself with a rescue that has just this to say.
  const server = await buildServer({
    settings: { body_limit: 1, request_timeout: 1_000, trust_proxy: [] },
    api: {
      apiKeys: createApiKeys(await service.redis.client(), adminKey, Date.now),
      emails: {},
      providers: { providers: [], streams: {} },
      exposure: {},
      suppressions: {},
      webhooks: { providers: new Map() },
      alerts: {},
      shards: {},
      rescue: {},
      incidents: { incidents, audit: {}, rescueOf: async ({ id }: Incident) => (id === rescued.id ? rescue : null) },
    } as unknown as ApiParts,
    ops: {} as OpsParts,
    version: '0.0.0',
    log: pino({ level: 'silent' }),
    newId: () => '',
    observe: () => {},
    traces: noTraces,
  });
  const headers = { authorization: `Bearer ${adminKey}` };
  const { data } = (await server.inject({ url: '/v1/incidents?limit=2', headers })).json();
  expect(data.map(({ id, rescue: of }: { id: string; rescue: unknown }) => [id, of])).toEqual([
    [failing.id, null],
    [rescued.id, rescue],
  ]);
  expect((await server.inject({ url: `/v1/incidents/${rescued.id}`, headers })).json().rescue).toEqual(rescue);
  await server.close();
});

describe('an acknowledgement', () => {
  test('stands in the incident and in the audit; a second one changes nothing', async () => {
    const { incident } = await becomes('ses', health('suspended', 2), 10);
    const first = await acknowledge(incident.id);
    expect(first).toMatchObject({
      status: 200,
      body: { id: incident.id, state: 'open', acknowledged_at: expect.stringMatching(/Z$/), acknowledged_by: 'env' },
    });
    expect(first.body.timeline.at(-1)).toEqual({
      at: first.body.acknowledged_at,
      what: 'acknowledged',
      text: 'acknowledged by env',
    });
    const again = await acknowledge(incident.id, await keyFor(service, { scopes: ['operate'] }));
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect((await show(incident.id)).body).toEqual(first.body);
    expect(await audited(incident.id)).toEqual([
      {
        id: expect.any(String),
        number: expect.any(Number),
        at: expect.any(String),
        who: 'env',
        who_name: 'admin key from the environment',
        from: '127.0.0.1',
        what: 'incident.acknowledge',
        target: incident.id,
        before: { acknowledged_by: null },
        after: { acknowledged_by: 'env' },
        why: 'suspended of ses',
      },
    ]);
  });

  test('comes too late for none: a closed one can be acknowledged', async () => {
    const { incident } = await becomes('late', health('down', 2), 20);
    await becomes('late', health('up', 3), 21);
    expect((await acknowledge(incident.id)).body).toMatchObject({ state: 'closed', acknowledged_by: 'env' });
  });

  test('needs the scope to operate; a look needs the one to read', async () => {
    const { incident } = await becomes('scoped', health('down', 2), 30);
    expectProblem(
      await acknowledge(incident.id, await keyFor(service, { scopes: ['read', 'send'] })),
      'insufficient_scope',
    );
    expect((await show(incident.id)).body.acknowledged_at).toBeNull();
    expect(await audited(incident.id)).toEqual([]);
    const operator = await keyFor(service, { scopes: ['operate'] });
    for (const path of ['/v1/incidents', `/v1/incidents/${incident.id}`]) {
      expectProblem(await service.call('GET', path, undefined, operator), 'insufficient_scope');
      expectProblem(await service.call('GET', path, undefined, { authorization: '' }), 'missing_api_key');
    }
    expect(
      await service.call('GET', '/v1/incidents', undefined, await keyFor(service, { scopes: ['read'] })),
    ).toMatchObject({
      status: 200,
    });
  });
});

describe('the list', () => {
  test('newest first, each as it is shown alone, by state and page by page', async () => {
    for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
      await becomes(name, health('down', 2), 100 + index);
      if (index % 2 === 0) await becomes(name, health('up', 3), 200 + index);
    }
    const { body } = await service.call('GET', '/v1/incidents?limit=100');
    expect(body.next_cursor).toBeNull();
    expect(body.data.slice(0, 4).map(({ provider }: { provider: string }) => provider)).toEqual(['d', 'c', 'b', 'a']);
    for (const one of body.data) expect((await show(one.id)).body).toEqual(one);

    for (const state of ['open', 'closed']) {
      const wanted = body.data.filter((one: { state: string }) => one.state === state);
      expect(wanted.length).toBeGreaterThan(2);
      expect((await service.call('GET', `/v1/incidents?state=${state}&limit=100`)).body.data).toEqual(wanted);
      const found: unknown[] = [];
      let cursor = '';
      do {
        const page = await service.call('GET', `/v1/incidents?state=${state}&limit=2${cursor}`);
        found.push(...page.body.data);
        cursor = page.body.next_cursor === null ? '' : `&cursor=${page.body.next_cursor}`;
      } while (cursor !== '');
      expect(found).toEqual(wanted);
    }
  });

  test.each(['state=acknowledged', 'limit=0', 'limit=101', 'cursor=em_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'provider=ses'])(
    '?%s is refused',
    async (query) => {
      expectProblem(await service.call('GET', `/v1/incidents?${query}`), 'validation_error');
    },
  );
});
