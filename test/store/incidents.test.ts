// Incidents in a real Redis: one open for each provider and cause whoever writes, counts beside them, and an end to all that is closed.
import { pino } from 'pino';
import { ulid } from 'ulid';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Health, HealthState } from '../../src/core/health.ts';
import { findingIncident, type Incident, incidentsAfter, noted } from '../../src/core/incident.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { createIncidents, type IncidentStore } from '../../src/store/incidents.ts';
import { keys } from '../../src/store/keys.ts';
import { health as someHealth } from '../core/health.cases.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const day = 86_400_000;
const now = 1_800_000_000_000;
const silent = { moved: 0, rescued: 0, expired: 0, held: 0, cancelled: 0, stranded: 0, confirmed_late: 0 };

let redis: TestRedis;
let client: ReturnType<typeof connect>;
let incidents: IncidentStore;
beforeEach(async () => {
  redis = await startRedis();
  client = connect({ url: redis.url }, 'request', log);
  await whenReady(client);
  incidents = createIncidents(client, 90 * day, () => now);
});
afterEach(async () => {
  client.disconnect();
  await redis.stop();
});

let ids = 0;
const newId = () => `inc_${ulid(now + ids++)}`;
const health = (state: HealthState, epoch: number, fields: Partial<Health> = {}): Health =>
  someHealth(state, { epoch, cause: null, silentSince: null, ...fields });
const became = (provider: string, state: HealthState, epoch: number, fields: Partial<Health> = {}) => ({
  provider,
  from: health('up', 1),
  to: health(state, epoch, fields),
  at: now,
});
/** Opens one for each of these providers, one after the other. */
async function opened(store: IncidentStore, ...providers: string[]): Promise<Incident[]> {
  const all: Incident[] = [];
  for (const provider of providers) {
    const [change] = await store.change((open) => incidentsAfter(open, became(provider, 'down', 2), newId));
    all.push(change!.incident);
  }
  return all;
}
const close = (store: IncidentStore, provider: string) =>
  store.change((open) => incidentsAfter(open, became(provider, 'up', 3), newId));

describe('a change', () => {
  test('opens, tells and closes, and is read back as it was written', async () => {
    const [one] = await opened(incidents, 'ses');
    expect(one).toMatchObject({ version: 1, provider: 'ses', cause: 'failing', state: 'open' });
    expect(await incidents.read(one!.id)).toEqual(one);
    expect(await incidents.open()).toEqual([one]);
    const told = await incidents.change((open) => incidentsAfter(open, became('ses', 'probing', 3), newId));
    expect(told).toMatchObject([{ kind: 'updated', incident: { id: one!.id, version: 2 } }]);
    const closed = await incidents.change((open) => incidentsAfter(open, became('ses', 'up', 4), newId));
    expect(closed).toMatchObject([{ kind: 'closed', incident: { id: one!.id, version: 3, state: 'closed' } }]);
    expect(await incidents.read(one!.id)).toEqual(closed[0]?.incident);
    expect(await incidents.open()).toEqual([]);
    expect(await incidents.read('inc_nobody')).toBeNull();
  });

  test('by many at once is made once', async () => {
    const deciders = Array.from({ length: 8 }, () =>
      incidents.change((open) => incidentsAfter(open, became('ses', 'suspended', 2), newId)),
    );
    expect((await Promise.all(deciders)).flat()).toHaveLength(1);
    expect(await incidents.open()).toHaveLength(1);
    expect((await incidents.list({ limit: 100 })).incidents).toHaveLength(1);
  });

  test('decided on what has changed meanwhile is decided again', async () => {
    const [one] = await opened(incidents, 'ses');
    const seen: (readonly Incident[])[] = [];
    const changes = await incidents.change((open) => {
      seen.push(open);
      const next = incidentsAfter(open, became('ses', 'up', 3), newId);
      // As if somebody had written it since, once.
      return seen.length > 1 ? next : next.map((each) => ({ ...each, incident: { ...each.incident, version: 0 } }));
    });
    expect(seen).toHaveLength(2);
    expect(changes).toMatchObject([{ kind: 'closed', incident: { id: one!.id, version: 2 } }]);
  });

  test('that can never be written is given up', async () => {
    const [one] = await opened(incidents, 'ses');
    const stale = incidents.change(() => [{ kind: 'updated', incident: { ...one!, version: 7 } }]);
    await expect(stale).rejects.toThrow(/somebody else was faster/);
  });
});

describe('a write', () => {
  test('of an old version, of what is open already, and of what has been closed, changes nothing', async () => {
    const [one] = await opened(incidents, 'ses');
    const second = await incidents.write(noted(one!, 'rescue', 'second', now));
    expect(second).toMatchObject({ version: 2 });
    expect(await incidents.write(noted(one!, 'rescue', 'too late', now))).toBeNull();
    expect(await incidents.write({ ...one!, id: newId(), version: 0 })).toBeNull();
    const closed = await incidents.write({ ...second!, state: 'closed', closedAt: now });
    expect(await incidents.write({ ...closed!, state: 'open', closedAt: null })).toBeNull();
    expect(await incidents.read(one!.id)).toEqual(closed);
    expect((await incidents.list({ limit: 100 })).incidents).toEqual([closed]);
    // The next one of the same kind is another one.
    expect(await incidents.write({ ...one!, id: newId(), version: 0 })).toMatchObject({ version: 1 });
    expect(await incidents.write({ ...closed!, state: 'open', closedAt: null })).toBeNull();
    // What is told of the closed one leaves the open one in its place.
    expect(await incidents.note(one!.id, 'rescue', 'the last mail is out')).toMatchObject({ state: 'closed' });
    expect(await incidents.open()).toHaveLength(1);
  });

  test('holds one place for each cause, provider and stream', async () => {
    const [one] = await opened(incidents, 'ses');
    const others = [
      { provider: 'ses', cause: 'silence' },
      { provider: 'postmark', cause: 'failing' },
      { provider: null, stream: 'ses', cause: 'all_down' },
      { provider: null, stream: 'default', cause: 'all_down' },
    ] as const;
    for (const other of others)
      expect(await incidents.write({ ...one!, ...other, id: newId(), version: 0 })).not.toBeNull();
    expect(await incidents.open()).toHaveLength(5);
  });
});

describe('notes and acknowledgements', () => {
  test('from many at once are all kept', async () => {
    const [one] = await opened(incidents, 'ses');
    const texts = Array.from({ length: 10 }, (_, n) => `note ${n}`);
    await Promise.all(texts.map((text) => incidents.note(one!.id, 'rescue', text)));
    const { timeline } = (await incidents.read(one!.id))!;
    expect(
      timeline
        .map(({ text }) => text)
        .slice(1)
        .sort(),
    ).toEqual(texts);
    expect(await incidents.note('inc_nobody', 'rescue', 'none')).toBeNull();
  });

  test('the first acknowledgement of many is the one', async () => {
    const [one] = await opened(incidents, 'ses');
    const people = Array.from({ length: 6 }, (_, n) => `key_${n}`);
    const answers = await Promise.all(people.map((by) => incidents.acknowledge(one!.id, by)));
    expect(answers.filter((answer) => answer?.first)).toHaveLength(1);
    const stored = await incidents.read(one!.id);
    for (const answer of answers) expect(answer?.incident).toEqual(stored);
    expect(stored?.acknowledged).toEqual({ at: now, by: people[answers.findIndex((answer) => answer?.first)] });
    expect(await incidents.acknowledge('inc_nobody', 'key_0')).toBeNull();
  });
});

test('counts add up from many sides, and those of nobody count nothing', async () => {
  const [one, two] = await opened(incidents, 'ses', 'postmark');
  await Promise.all(Array.from({ length: 50 }, () => incidents.count(one!.id, 'moved', 2)));
  await incidents.count(one!.id, 'stranded', 3);
  await incidents.count(one!.id, 'stranded', -1);
  await incidents.count('inc_nobody', 'moved', 1);
  expect(await incidents.counts([two!.id, one!.id, 'inc_nobody'])).toEqual([
    silent,
    { ...silent, moved: 100, stranded: 2 },
    silent,
  ]);
  expect(await client.exists(keys.incidentCounts('inc_nobody'))).toBe(0);
});

describe('the list', () => {
  test('newest first, by state, page by page', async () => {
    const names = Array.from({ length: 120 }, (_, n) => `p${n}`);
    const all = (await opened(incidents, ...names)).map(({ id }) => id).reverse();
    for (const name of names.filter((_, n) => n % 3 !== 0)) await close(incidents, name);
    const closed = all.filter((_, index) => (names.length - 1 - index) % 3 !== 0);
    const open = all.filter((id) => !closed.includes(id));

    const pages = async (state: Incident['state'] | undefined, limit: number) => {
      const found: string[] = [];
      let cursor: string | null = null;
      do {
        const page: Awaited<ReturnType<IncidentStore['list']>> = await incidents.list({
          limit,
          ...(state && { state }),
          ...(cursor !== null && { cursor }),
        });
        expect(page.incidents.length).toBeLessThanOrEqual(limit);
        found.push(...page.incidents.map(({ id }) => id));
        cursor = page.cursor;
      } while (cursor !== null);
      return found;
    };
    for (const limit of [1, 7, 40, 100]) {
      expect(await pages(undefined, limit)).toEqual(all);
      expect(await pages('open', limit)).toEqual(open);
      expect(await pages('closed', limit)).toEqual(closed);
    }
    expect((await incidents.open()).map(({ id }) => id)).toEqual([...open].reverse());
  });
});

describe('an end', () => {
  test('comes to what is closed, with its counts, and is not put off by what is told of it later', async () => {
    const short = createIncidents(client, 60_000, () => now);
    const [one] = await opened(short, 'ses');
    await short.count(one!.id, 'moved', 1);
    expect(await client.pttl(keys.incident(one!.id))).toBe(-1);
    expect(await client.pttl(keys.incidentCounts(one!.id))).toBe(-1);
    await close(short, 'ses');
    for (const key of [keys.incident(one!.id), keys.incidentCounts(one!.id)]) {
      const left = await client.pttl(key);
      expect(left).toBeGreaterThan(50_000);
      expect(left).toBeLessThanOrEqual(60_000);
      await client.pexpire(key, 5_000);
    }
    await short.note(one!.id, 'rescue', 'the last mail is out');
    await short.acknowledge(one!.id, 'key_a');
    await client.del(keys.incidentCounts(one!.id));
    await short.count(one!.id, 'rescued', 1);
    for (const key of [keys.incident(one!.id), keys.incidentCounts(one!.id)]) {
      const left = await client.pttl(key);
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(5_000);
    }
  });

  test('leaves no trace in the indexes, and never touches an open one', async () => {
    const short = createIncidents(client, 1, () => now);
    const [old] = await opened(short, 'postmark');
    for (let n = 0; n < 20; n++) {
      await opened(short, `p${n}`);
      await close(short, `p${n}`);
    }
    await until(
      async () => (await client.exists(...(await client.zrange(keys.incidents, 0, '-1')).map(keys.incident))) === 1,
    );
    // Gone ones are passed over before they are trimmed.
    expect((await short.list({ limit: 100 })).incidents).toEqual([old]);
    await until(async () => {
      const [last] = await opened(short, 'last');
      await close(short, 'last');
      return (await client.zcard(keys.incidents)) <= 3 && last !== undefined;
    });
    expect(await client.zcard(keys.incidentEnds)).toBeLessThanOrEqual(2);
    expect(await short.open()).toEqual([old]);
  });
});

test('lost feedback and failing health share the store, not the incident', async () => {
  await opened(incidents, 'ses');
  const finding = { provider: 'ses', lost: true, detail: 'no webhooks', at: now };
  await incidents.change((open) => findingIncident(open, finding, newId));
  await close(incidents, 'ses');
  expect((await incidents.open()).map(({ cause }) => cause)).toEqual(['feedback_lost']);
});
