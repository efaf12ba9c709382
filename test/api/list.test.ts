// GET /v1/emails: newest first, every filter by itself and together with others, and paging without gaps or repeats.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hello, type Service } from '../support/service.ts';
import { behave, expectProblem, keyFor, listed, startStage } from './stage.ts';

let service: Service;
// Scheduled: they stay as they are while the tests look at them.
const later = () => new Date(Date.now() + 3_600_000).toISOString();
const made = new Map<string, string>();

beforeAll(async () => {
  service = await startStage();
  const send = async (name: string, mail: Record<string, unknown>) => made.set(name, await service.send(mail));
  await send('plain', {});
  await send('critical', { stream: 'critical', to: 'Grace <grace@example.com>' });
  await send('other', { stream: 'other' });
  await send('cc', { to: 'x@example.com', cc: ['Mixed.Case@Example.COM'] });
  await send('bcc', { to: 'x@example.com', bcc: ['hidden@example.com'] });
  await send('idn', { to: 'ada@bücher.example' });
  await service.allSettled([...made.values()], ['delivered']);
  await behave(service, 'primary', 'reject');
  await send('failed', { to: 'grace@example.com' });
  await service.settled(made.get('failed')!, ['failed']);
  await behave(service, 'primary', 'deliver');
  await send('scheduled', { scheduled_at: later() });
  await send('cancelled', { scheduled_at: later(), stream: 'critical' });
  await service.call('POST', `/v1/emails/${made.get('cancelled')}/cancel`);
});
afterAll(() => service.close());

const names = async (query: string) => {
  const ids = await listed(service, query);
  return ids.map((id) => [...made].find(([, one]) => one === id)?.[0] ?? id);
};

test('newest first, in the same form as a single message', async () => {
  const { status, body } = await service.call('GET', '/v1/emails');
  expect(status).toBe(200);
  expect(body).toMatchObject({ object: 'list', next_cursor: null });
  expect(body.data.map(({ id }: { id: string }) => id)).toEqual([...made.values()].reverse());
  for (const message of body.data)
    expect(message).toEqual((await service.call('GET', `/v1/emails/${message.id}`)).body);
});

describe('filters', () => {
  test.each([
    ['status=delivered', ['idn', 'bcc', 'cc', 'other', 'critical', 'plain']],
    ['status=failed', ['failed']],
    ['status=scheduled', ['scheduled']],
    ['status=cancelled', ['cancelled']],
    ['status=queued', []],
    ['status=sending', []],
    ['stream=critical', ['cancelled', 'critical']],
    ['stream=other', ['other']],
    ['stream=none', []],
    ['provider=standby', ['other']],
    ['provider=primary', ['idn', 'bcc', 'cc', 'critical', 'plain']],
    ['provider=none', []],
    ['to=grace@example.com', ['failed', 'critical']],
    ['to=GRACE@EXAMPLE.com', ['failed', 'critical']],
    ['to=mixed.case@example.com', ['cc']],
    ['to=hidden@example.com', ['bcc']],
    ['to=x@example.com', ['bcc', 'cc']],
    [`to=${encodeURIComponent('ada@bücher.example')}`, ['idn']],
    ['to=ada@xn--bcher-kva.example', ['idn']],
    [`to=${encodeURIComponent('Anyone <hidden@example.com>')}`, ['bcc']],
    ['to=nobody@example.com', []],
    ['to=grace@example.com&status=failed', ['failed']],
    ['to=grace@example.com&stream=critical', ['critical']],
    ['to=grace@example.com&provider=standby', []],
    ['status=delivered&provider=primary&stream=critical', ['critical']],
    ['stream=critical&status=cancelled', ['cancelled']],
  ])('%s', async (query, expected) => {
    expect(await names(`&${query}`)).toEqual(expected);
  });

  test('a message moves from one status to the other', async () => {
    const id = await service.send({ scheduled_at: later(), to: 'mover@example.com' });
    expect(await listed(service, '&status=scheduled')).toContain(id);
    expect(await listed(service, '&status=cancelled')).not.toContain(id);
    await service.call('POST', `/v1/emails/${id}/cancel`);
    expect(await listed(service, '&status=scheduled')).not.toContain(id);
    expect(await listed(service, '&status=cancelled')).toContain(id);
  });

  test('since counts its moment in, until does not', async () => {
    const first = await service.send({ scheduled_at: later(), to: 'time@example.com' });
    const createdAt = Date.parse((await service.call('GET', `/v1/emails/${first}`)).body.created_at);
    // Until the clock has moved on: no two of them in one millisecond.
    while (Date.now() <= createdAt + 1);
    const second = await service.send({ scheduled_at: later(), to: 'time@example.com' });
    const at = (ms: number) => encodeURIComponent(new Date(ms).toISOString().replace('Z', '+00:00'));
    const found = (query: string) => listed(service, `&to=time@example.com${query}`);
    expect(await found(`&since=${at(createdAt)}`)).toEqual([second, first]);
    expect(await found(`&since=${at(createdAt + 1)}`)).toEqual([second]);
    expect(await found(`&until=${at(createdAt)}`)).toEqual([]);
    expect(await found(`&until=${at(createdAt + 1)}`)).toEqual([first]);
    expect(await found(`&since=${at(createdAt)}&until=${at(createdAt + 1)}`)).toEqual([first]);
    expect(await found(`&since=${at(createdAt + 1)}&until=${at(createdAt)}`)).toEqual([]);
    expect(await listed(service, `&until=${at(0)}`)).toEqual([]);
  });
});

describe('paging', () => {
  test('250 messages, 100 or 7 at a time, without gaps or repeats, while others arrive', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) {
      const mail = {
        ...hello,
        to: 'paging@example.com',
        scheduled_at: later(),
        stream: i % 2 ? 'critical' : 'default',
      };
      const { body } = await service.call('POST', '/v1/emails/batch', Array(50).fill(mail));
      ids.push(...body.data.map(({ id }: { id: string }) => id));
    }
    ids.reverse();
    for (const [limit, query] of [
      [100, '&to=paging@example.com'],
      [7, '&to=paging@example.com'],
      [33, `&status=scheduled&to=paging@example.com&since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z`],
    ] as const) {
      const seen: string[] = [];
      let cursor = '';
      for (;;) {
        const { status, body } = await service.call('GET', `/v1/emails?limit=${limit}${query}${cursor}`);
        expect(status).toBe(200);
        expect(body.data.length).toBeLessThanOrEqual(limit);
        seen.push(...body.data.map(({ id }: { id: string }) => id));
        if (body.next_cursor === null) break;
        cursor = `&cursor=${body.next_cursor}`;
        // Newer than all of them: it belongs to no later page.
        if (seen.length < 120) ids.unshift(await service.send({ to: 'paging@example.com', scheduled_at: later() }));
      }
      expect(seen).toEqual(ids.slice(ids.length - seen.length));
      expect(seen.length).toBeGreaterThanOrEqual(250);
    }
    // All of them, and those of the other tests, by the other indexes.
    const paged = (await listed(service)).filter((id) => ids.includes(id));
    expect(paged).toEqual(ids);
    const critical = new Set(await listed(service, '&stream=critical'));
    expect(ids.filter((id) => critical.has(id))).toHaveLength(100);
  });

  test('pages are full and disjoint with a filter that throws most away', async () => {
    // Only every 25th of the stream's mail has this recipient and this status.
    const query = '&stream=critical&status=cancelled';
    expect(await listed(service, query)).toEqual([made.get('cancelled')]);
    const { body } = await service.call('GET', `/v1/emails?limit=1${query}`);
    expect(body.data).toHaveLength(1);
  });

  test('limit is 20 unless told', async () => {
    const { body } = await service.call('GET', '/v1/emails');
    expect(body.data).toHaveLength(20);
    expect(body.next_cursor).toBe(body.data[19].id);
    for (const limit of [1, 100]) {
      const { body: page } = await service.call('GET', `/v1/emails?limit=${limit}`);
      expect(page.data).toHaveLength(limit);
    }
  });

  test('a cursor that no message has stands between those that have', async () => {
    const all = await listed(service);
    const { body } = await service.call('GET', `/v1/emails?limit=100&cursor=em_${'Z'.repeat(26)}`);
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual(all.slice(0, 100));
    const { body: none } = await service.call('GET', `/v1/emails?cursor=em_${'0'.repeat(26)}`);
    expect(none).toMatchObject({ data: [], next_cursor: null });
  });
});

test.each([
  ['limit=0', 'limit'],
  ['limit=101', 'limit'],
  ['limit=-1', 'limit'],
  ['limit=1.5', 'limit'],
  ['limit=x', 'limit'],
  ['limit=', 'limit'],
  ['limit=1&limit=2', 'limit'],
  ['status=gone', 'status'],
  ['status=', 'status'],
  ['status=sent&status=failed', 'status'],
  ['status=__proto__', 'status'],
  ['cursor=', 'cursor'],
  ['cursor=em_', 'cursor'],
  ['cursor=em_01arz3ndektsv4rrffq69g5fav', 'cursor'],
  ['cursor=1', 'cursor'],
  ['to=nobody', 'to'],
  ['to=', 'to'],
  ['to=a@example.com,b@example.com', 'to'],
  ['since=yesterday', 'since'],
  ['since=2026-01-01', 'since'],
  ['since=2026-01-01T00:00:00', 'since'],
  ['until=1767225600', 'until'],
  ['until=2026-02-30T00:00:00Z', 'until'],
  ['Status=sent', ''],
  ['offset=1', ''],
  ['page=2', ''],
  ['__proto__=1', ''],
  ['constructor=1', ''],
])('?%s is refused', async (query, path) => {
  expectProblem(await service.call('GET', `/v1/emails?${query}`), 'validation_error', [path]);
});

test('several faults are named at once', async () => {
  const answer = await service.call('GET', '/v1/emails?limit=0&status=gone&since=x');
  expectProblem(answer, 'validation_error', ['status', 'since', 'limit']);
});

test('a key that is narrowed to streams sees no others, on every page', async () => {
  const headers = await keyFor(service, { streams: ['other', 'critical'], scopes: ['read'] });
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { body }: { body: { data: { id: string; stream: string }[]; next_cursor: string | null } } =
      await service.call('GET', `/v1/emails?limit=50${cursor === '' ? '' : `&cursor=${cursor}`}`, undefined, headers);
    for (const { id, stream } of body.data) {
      expect(['other', 'critical']).toContain(stream);
      seen.push(id);
    }
    cursor = body.next_cursor;
  }
  const other = await listed(service, '&stream=other');
  const critical = await listed(service, '&stream=critical');
  expect(seen).toEqual([...other, ...critical].sort().reverse());
  const { body } = await service.call('GET', '/v1/emails?stream=default', undefined, headers);
  expect(body.data).toEqual([]);
  const id = made.get('plain')!;
  expectProblem(await service.call('GET', `/v1/emails/${id}`, undefined, headers), 'not_found');
});
