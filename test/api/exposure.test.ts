// GET /v1/providers/{name}/exposure over the whole service: what went over the wire is in the report, and nothing else, in every form.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Result } from '../../providers/provider.ts';
import { keys } from '../../src/store/keys.ts';
import { type FarSide, newFarSide, ownProviders } from '../support/own-provider.ts';
import { createRandom } from '../support/random.ts';
import type { Service } from '../support/service.ts';
import { startService } from '../support/service.ts';
import { expectProblem, keyFor, startStage } from './stage.ts';

interface Row {
  readonly object: string;
  readonly id: string;
  readonly stream: string;
  readonly sensitive: boolean;
  readonly status: string;
  readonly recipients: readonly string[];
  readonly subject?: string;
  readonly attempts: readonly { number: number; started_at: string; outcome: string | null; reason: string | null }[];
}

const [first] = [ownProviders.providers.first];
const settings = {
  providers: { first, second: first },
  streams: {
    default: { providers: ['first', 'second'] },
    held: { providers: ['second', 'first'], on_unknown: 'hold' },
    passwords: { providers: ['first', 'second'], sensitive: true },
    codes: { providers: ['first'], sensitive: true, expires_in: '1m' },
  },
  health: { min_volume: 1_000, account_refusals: 1_000, mode: 'off' },
};

let far: FarSide;
let service: Service;
/** Every hand-over that reached a provider's code, in order. */
const handed: { provider: string; id: string; at: number }[] = [];
beforeAll(async () => {
  far = newFarSide();
  const random = createRandom(7);
  far.send = (provider, mail): Result | null => {
    handed.push({ provider, id: mail.id, at: Date.now() });
    // Few tries, so that no pause of a message grows long.
    if (handed.filter(({ id }) => id === mail.id).length > 2) return null;
    const chance = random();
    if (chance < 0.1) return { outcome: 'unknown', reason: 'timeout', detail: 'made up' };
    if (chance < 0.3) return { outcome: 'failed', reason: 'provider_error', detail: 'made up', retryAfterMs: 1 };
    if (chance < 0.35) return { outcome: 'rejected', reason: 'content_rejected', detail: 'made up' };
    if (chance < 0.4) return { outcome: 'refused', reason: 'unsupported', detail: 'made up' };
    return null;
  };
  service = await startStage({ settings });
});
afterAll(() => service.close());

const past = () => new Date(Date.now() - 60_000).toISOString();
const path = (provider: string, query: Record<string, string> = {}) =>
  `/v1/providers/${provider}/exposure?${new URLSearchParams({ since: past(), ...query })}`;
const report = async (provider: string, query: Record<string, string> = {}) => {
  const { status, body } = await service.call('GET', path(provider, query));
  expect(status).toBe(200);
  return body;
};

const ends = ['sent', 'delivered', 'failed', 'held', 'expired'];

describe('the report', () => {
  const ids: string[] = [];
  beforeAll(async () => {
    for (let round = 0; round < 40; round++) {
      for (const stream of ['default', 'held', 'passwords', 'codes'])
        ids.push(
          await service.send({
            stream,
            to: [`a${ids.length}@example.com`, `b${ids.length}@example.com`],
            subject: `Number ${ids.length}`,
          }),
        );
    }
    await service.allSettled(ids, ends);
    // New rounds for some: more hand-overs to the same providers.
    const held = (await service.call('GET', '/v1/emails?status=held&limit=100')).body.data;
    for (const { id } of held) expect((await service.call('POST', `/v1/emails/${id}/resend`)).status).toBe(202);
    await service.allSettled(ids, ends);
  }, 90_000);

  test.each(['first', 'second'])(
    'names every message that %s was handed, each with all its attempts',
    async (provider) => {
      const { data, summary, ...head } = await report(provider);
      const wire = handed.filter((one) => one.provider === provider);
      const should = new Map<string, number>();
      for (const { id } of wire) should.set(id, (should.get(id) ?? 0) + 1);
      const is = new Map(data.map(({ id, attempts }: Row) => [id, attempts.length]));
      expect(is).toEqual(should);
      expect(data.length).toBe(should.size);
      expect([...should.values()].some((times) => times > 1)).toBe(true);
      expect(head).toMatchObject({ object: 'exposure', provider, hand_overs: wire.length });
      expect(Date.parse(head.complete_from)).toBeLessThanOrEqual(wire[0]!.at);

      const outcomes: Record<string, number> = {};
      for (const { id, status, attempts, recipients } of data as Row[]) {
        const { body } = await service.call('GET', `/v1/emails/${id}`);
        const own = body.attempts.filter((one: { provider: string }) => one.provider === provider);
        expect(attempts.map(({ number, outcome, reason }) => ({ number, outcome, reason }))).toEqual(
          own.map(({ number, outcome, reason }: Row['attempts'][0]) => ({ number, outcome, reason })),
        );
        expect({ status, recipients }).toEqual({ status: body.status, recipients: body.to });
        for (const { outcome } of attempts) outcomes[outcome ?? 'open'] = (outcomes[outcome ?? 'open'] ?? 0) + 1;
      }
      expect(summary).toMatchObject({ messages: data.length, unreadable: 0, by_outcome: outcomes });
      expect(Object.keys(outcomes).sort()).toEqual(['accepted', 'failed', 'refused', 'rejected', 'unknown']);
      const sum = (counts: Record<string, number>) => Object.values(counts).reduce((all, one) => all + one, 0);
      for (const counts of [summary.by_stream, summary.by_status]) expect(sum(counts)).toBe(data.length);
    },
  );

  test('leads with the streams that carry secrets', async () => {
    const { data, streams, summary, sensitive_hand_overs } = await report('first');
    expect(streams.map(({ stream }: { stream: string }) => stream)).toEqual(['codes', 'passwords', 'default', 'held']);
    const marks = data.map(({ sensitive }: Row) => sensitive);
    expect(marks).toEqual([...marks].sort((a, b) => Number(b) - Number(a)));
    expect(summary.sensitive_messages).toBe(marks.filter(Boolean).length);
    const only = await report('first', { sensitive: 'true' });
    expect(only.data.map(({ id }: Row) => id)).toEqual(
      data.filter((row: Row) => row.sensitive).map(({ id }: Row) => id),
    );
    expect(only.hand_overs).toBe(sensitive_hand_overs);
  });

  test('has subjects only for those who ask, and never a text', async () => {
    const { data } = await report('first');
    expect(data[0]).not.toHaveProperty('subject');
    const asked = await report('first', { subjects: 'true' });
    expect(asked.data.map(({ subject }: Row) => subject)).toEqual(
      asked.data.map(({ recipients }: Row) => `Number ${/\d+/.exec(recipients[0]!)?.[0]}`),
    );
    expect(JSON.stringify(asked)).not.toContain('It works.');
  });

  test('is the same in every form', async () => {
    const until = new Date().toISOString();
    const since = past();
    const query = { since, until, subjects: 'true' };
    const { data, summary, ...head } = await report('first', query);
    const lines = (await report('first', { ...query, format: 'ndjson' })).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line: string) => JSON.parse(line))).toEqual([head, ...data, summary]);
    const [columns, ...rows] = readCsv(await report('first', { ...query, format: 'csv' }));
    expect(columns).toEqual([
      ...['id', 'stream', 'sensitive', 'status', 'handed_over_at', 'outcomes', 'recipients', 'subject', 'tags'],
      ...['created_at', 'fault'],
    ]);
    const flat = (row: Row & { handed_over_at: string; created_at: string }) => [
      ...[row.id, row.stream, row.sensitive ? 'yes' : 'no', row.status, row.handed_over_at],
      row.attempts.map(({ outcome, reason }) => (reason ? `${outcome}(${reason})` : outcome)).join(' '),
      ...[row.recipients.join(' '), row.subject, '', row.created_at, ''],
    ];
    expect(rows).toEqual(data.map(flat));
  });

  test('keeps to its stretch of time, to the millisecond', async () => {
    const { data } = await report('second');
    const times: number[] = data.flatMap(({ attempts }: Row) =>
      attempts.map(({ started_at }) => Date.parse(started_at)),
    );
    times.sort((a, b) => a - b);
    const [early, late] = [times[20]!, times[60]!];
    const between = (from: number, to: number) =>
      report('second', { since: new Date(from).toISOString(), until: new Date(to).toISOString() });
    const inside = (from: number, to: number) => times.filter((at) => at >= from && at < to).length;
    for (const [from, to] of [
      [early, late],
      [early, late + 1],
      [early + 1, late],
      [late, late + 1],
    ] as const)
      expect((await between(from, to)).hand_overs).toBe(inside(from, to));
    expect(inside(early, late + 1)).toBeGreaterThan(inside(early, late));
  });

  test('stands in the audit, for whom and how much', async () => {
    const caller = await keyFor(service, { scopes: ['operate'] });
    const { status, body } = await service.call('GET', path('second', { subjects: 'true' }), undefined, caller);
    expect(status).toBe(200);
    const [entry] = (await service.call('GET', '/v1/audit?limit=1')).body.data;
    expect(entry).toMatchObject({ what: 'exposure.read', target: 'second' });
    expect(entry.why).toContain(`${body.hand_overs} hand-overs, with subjects`);
  });

  test('of a key that is narrowed to a stream has that stream alone', async () => {
    const caller = await keyFor(service, { scopes: ['operate'], streams: ['held'] });
    const { body } = await service.call('GET', path('first'), undefined, caller);
    expect(new Set(body.data.map(({ stream }: Row) => stream))).toEqual(new Set(['held']));
    expect(body.streams.length).toBe(1);
    expect(Object.keys(body.summary.by_stream)).toEqual(['held']);
  });

  test('names records that can no longer be opened', async () => {
    const client = await service.redis.client();
    const [{ id }] = (await report('first')).data;
    const record = await client.dumpBuffer(keys.message(id));
    await client.del(keys.message(id));
    const { data, summary } = await report('first');
    expect(data[0]).toMatchObject({ id, status: null, fault: 'its record is no longer stored' });
    expect(summary.unreadable).toBe(1);
    await client.restore(keys.message(id), 0, record!);
  });

  test('of a provider that has left the settings is still to be had', async () => {
    const later = await startService({
      settings: { providers: { second: first }, streams: { default: { providers: ['second'] } } },
      redis: service.redis,
    });
    try {
      const { status, body } = await later.call('GET', path('first'));
      expect(status).toBe(200);
      expect(body.data.length).toBe((await report('first')).data.length);
    } finally {
      await later.close();
    }
  });
});

describe('what is refused', () => {
  test('an unknown provider, a stretch of time that is none, an unknown parameter, a key without the scope', async () => {
    expectProblem(await service.call('GET', path('nobody')), 'not_found');
    const now = new Date().toISOString();
    const ahead = new Date(Date.now() + 60_000).toISOString();
    expectProblem(await service.call('GET', path('first', { since: ahead })), 'validation_error', ['since']);
    expectProblem(await service.call('GET', path('first', { since: now, until: past() })), 'validation_error', [
      'since',
    ]);
    expectProblem(await service.call('GET', path('first', { since: 'yesterday' })), 'validation_error', ['since']);
    expectProblem(await service.call('GET', path('first', { form: 'csv' })), 'validation_error');
    expectProblem(await service.call('GET', '/v1/providers/first/exposure'), 'validation_error', ['since']);
    const reader = await keyFor(service, { scopes: ['read', 'send'] });
    expectProblem(await service.call('GET', path('first'), undefined, reader), 'insufficient_scope');
  });
});

test('a spreadsheet computes nothing of it', async () => {
  const evil = [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    '\t=1',
    '=HYPERLINK("https://evil.example","x")',
    'a;=1',
    'a|=1',
    'x","=1',
    '＝1',
  ];
  const ids: string[] = [];
  far.send = () => null;
  for (const text of evil)
    ids.push(
      await service.send({
        stream: 'passwords',
        subject: text.replace('\t', ' '),
        to: '=cmd@example.com',
        tags: [{ name: 'note', value: text.replace(/[^\x20-\x7e]/g, '').slice(0, 50) }],
      }),
    );
  await service.allSettled(ids, ['sent']);
  const text: string = await report('first', { format: 'csv', subjects: 'true' });
  const rows = readCsv(text);
  expect(rows.filter(([id]) => ids.includes(id!)).length).toBe(evil.length);
  for (const cell of rows.flat()) {
    expect(cell).not.toMatch(/^\s*[=+\-@＝＋－＠\t\r]/u);
    // Another separator than ours: what would then begin a cell.
    for (const part of cell.split(/[;|,"]/)) expect(part).not.toMatch(/^\s*[=+\-@＝＋－＠]/u);
  }
  // Every line is a row, and every cell is quoted.
  expect(text.trimEnd().split('\r\n').length).toBe(rows.length);
  for (const line of text.trimEnd().split('\r\n')) expect(line).toMatch(/^"(?:[^"]|"")*"(?:,"(?:[^"]|"")*")*$/);
});

/** RFC 4180, with every cell quoted. */
function readCsv(text: string): string[][] {
  return text
    .trimEnd()
    .split('\r\n')
    .map((line) => [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, cell = '']) => cell.replaceAll('""', '"')));
}
