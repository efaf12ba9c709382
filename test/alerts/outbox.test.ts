// The outbox: every letter reaches every sink, in order, whatever one of them does meanwhile; and a dead process is no loss.
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { configSchema } from '../../config/schema.ts';
import type { Alert } from '../../src/alerts/alert.ts';
import { testAlert } from '../../src/alerts/compose.ts';
import { type Outbox, startOutbox } from '../../src/alerts/outbox.ts';
import { createSink } from '../../src/alerts/sinks/index.ts';
import type { OwnMail } from '../../src/alerts/sinks/own.ts';
import type { Sink } from '../../src/alerts/sinks/sink.ts';
import { nothingTold } from '../../src/core/alert.ts';
import { createPlaces } from '../../src/outgoing/places.ts';
import { createOutgoing, type Outgoing } from '../../src/outgoing/post.ts';
import { type AlertStore, createAlertStore } from '../../src/store/alerts.ts';
import type { HttpFault } from '../support/http-server.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { type FarSide, type FarSides, outgoing as places, startFarSides } from './far-sides.ts';

const quiet = { info() {}, warn() {}, error() {} };
let redis: TestRedis;
let client: Redis;
let far: FarSides;
let outgoing: Outgoing;
let store: AlertStore;
let sinks: Sink[];
let mails: OwnMail[];
const running: Outbox[] = [];

beforeAll(async () => {
  redis = await startRedis();
  client = await redis.client();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  await client.flushall();
  far = await startFarSides();
  outgoing = createOutgoing(createPlaces(places.allow_private), Date.now);
  store = createAlertStore(client);
  mails = [];
  const { alerts } = configSchema.parse({
    providers: { box: { type: 'sandbox' } },
    streams: { default: { providers: ['box'] }, alerts: { providers: ['box'] } },
    alerts: {
      sinks: Object.fromEntries(
        Object.entries(far.settings).map(([name, settings]) => [name, { ...settings, timeout: '400ms' }]),
      ),
    },
  });
  const send = async (mail: OwnMail) => {
    mails.push(mail);
    return null;
  };
  sinks = Object.entries(alerts.sinks).map(([name, settings]) =>
    createSink(name, settings, { outgoing, send, log: quiet, clock: Date.now }),
  );
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((outbox) => outbox.close()));
  outgoing.close();
  await far.close();
});

const counted: string[] = [];
function post(of: readonly Sink[] = sinks, holder = 'a'): Outbox {
  const count = (sink: string, result: string) => counted.push(`${sink} ${result}`);
  const outbox = startOutbox({ store, sinks: of, holder, log: quiet, count });
  running.push(outbox);
  return outbox;
}

const alertOf = (n: number): Alert => ({
  ...testAlert(`alr_${n}`, 1_000 + n, 'trigger'),
  title: `number ${n}`,
  kind: 'held',
});
const numbers = [1, 2, 3, 4, 5];

async function enqueue(to: readonly Sink[] = sinks): Promise<void> {
  const letters = numbers.flatMap((n) =>
    to.map(({ name }) => ({
      sink: name,
      letter: { id: `alr_${n}`, json: JSON.stringify({ id: `alr_${n}`, at: n, alerts: [alertOf(n)] }) },
    })),
  );
  const { version } = await store.told();
  expect(await store.tell(version, nothingTold, letters)).toBe(true);
}

/** The numbers that a far side has heard, in order. */
const heardBy = ({ heard }: FarSide) => heard.map(({ body }) => Number(/number (\d)/.exec(JSON.stringify(body))?.[1]));
const sides = () => ({ chat: far.slack, pager: far.pagerduty, genie: far.opsgenie, hook: far.webhook, own: far.json });

// `twice`: the far side has the letter although we cannot know.
const faults: readonly [string, HttpFault, { twice?: boolean }][] = [
  ['answers 500', { reply: { status: 500, body: 'x'.repeat(1_000) } }, {}],
  ['answers 429 with Retry-After', { reply: { status: 429, headers: { 'retry-after': '1' } } }, {}],
  ['answers 403: the key is wrong', { reply: { status: 403, body: 'invalid_token' } }, {}],
  ['redirects', { reply: { status: 302, headers: { location: 'http://127.0.0.1:1/' } } }, {}],
  ['resets the connection', { at: 'head', act: 'reset' }, {}],
  ['takes it and hangs up', { at: 'request', act: 'close' }, { twice: true }],
  ['takes it and says nothing', { at: 'request', act: 'silence' }, { twice: true }],
  ['says nothing', { at: 'connect', act: 'silence' }, {}],
  ['answers garbage', { at: 'connect', act: 'garbage' }, {}],
  ['is gone', { act: 'refuse' }, {}],
];

type Name = keyof ReturnType<typeof sides>;

/** Once it is well it gets what it has not had, in order. */
async function expectAll(name: Name, twice: boolean): Promise<void> {
  const side = sides()[name];
  await until(async () => (await store.line(name)).waiting === 0, { what: `${name} to have all`, within: 15_000 });
  const heard = heardBy(side);
  expect(side.refused).toEqual([]);
  if (!twice) return expect(heard).toEqual(numbers);
  // What it took in vain came again, before all others: the same letter.
  expect(heard.filter((n) => n === 1).length).toBeGreaterThan(1);
  expect([...new Set(heard)]).toEqual(numbers);
  expect(heard).toEqual([...heard].sort());
  if (name === 'hook' || name === 'pager' || name === 'genie')
    expect(new Set(side.heard.filter((_, at) => heard[at] === 1).map(({ about }) => about)).size).toBe(1);
}

describe('a sink that is ill', () => {
  test.each(faults)('%s: gets all in order once it is well', async (_, fault, { twice = false }) => {
    for (const { server } of Object.values(sides())) server.setFault(fault);
    await enqueue();
    post();
    await until(() => mails.length === numbers.length, { what: 'the mails' });
    const names = Object.keys(sides()) as Name[];
    for (const name of names)
      await until(async () => (await store.line(name)).attempts > 0, { what: `the first failure of ${name}` });
    for (const { server } of Object.values(sides())) server.setFault(null);
    await Promise.all(names.map((name) => expectAll(name, twice)));
  });

  test.each(['chat', 'pager', 'genie', 'hook', 'own'] as const)('%s: holds up no other', async (name) => {
    const ill = sides()[name];
    ill.server.setFault({ at: 'connect', act: 'silence' });
    await enqueue();
    post();
    for (const [other, side] of Object.entries(sides())) {
      if (other === name) continue;
      await until(() => side.heard.length === numbers.length, { what: `${other} to have all`, within: 2_000 });
      expect(heardBy(side)).toEqual(numbers);
    }
    expect((await store.line(name)).waiting).toBe(numbers.length);
    ill.server.setFault(null);
    await expectAll(name, false);
  });
});

describe('a sink that answers too much', () => {
  test.each(['flood', 'drip', 'cut'] as const)('%s: what it took counts as taken', async (answer) => {
    for (const side of Object.values(sides())) side.server.setFault({ answer });
    await enqueue();
    post();
    for (const [name, side] of Object.entries(sides())) {
      await until(async () => (await store.line(name)).waiting === 0, { what: `${name} to have all`, within: 10_000 });
      expect(heardBy(side)).toEqual(numbers);
    }
  });
});

describe('a letter', () => {
  test('that is refused for good lets the next one pass, and can be sent again', async () => {
    far.webhook.server.setFault({ reply: { status: 422 } });
    const hook = sinks.filter(({ name }) => name === 'hook');
    await enqueue(hook);
    post(hook);
    await until(async () => (await store.line('hook')).dead === numbers.length, { what: 'all of them to be given up' });
    expect(counted.filter((each) => each === 'hook given_up').length).toBe(numbers.length);
    const dead = await store.dead('hook', 10);
    expect(dead.map(({ letter }) => letter.id)).toEqual(['alr_5', 'alr_4', 'alr_3', 'alr_2', 'alr_1']);
    expect(dead[0]).toMatchObject({ attempts: 1, detail: 'HTTP 422' });

    far.webhook.server.setFault(null);
    expect(await store.replay('hook', 'alr_3')).toBe(1);
    await until(() => far.webhook.heard.length === 1, { what: 'one of them' });
    expect(await store.replay('hook', null)).toBe(4);
    await until(() => far.webhook.heard.length === 5, { what: 'all of them' });
    expect(heardBy(far.webhook)).toEqual([3, 1, 2, 4, 5]);
    await until(async () => (await store.line('hook')).waiting === 0, { what: 'the line to be empty' });
    expect((await store.line('hook')).dead).toBe(0);
  });

  test('is given up after a day', async () => {
    const hook = sinks.filter(({ name }) => name === 'hook');
    await enqueue(hook);
    far.webhook.server.setFault({ reply: { status: 500 } });
    await store.claim('hook', 'z', 1);
    await client.hset('{mailover}:alerts:head:hook', 'since', Date.now() - 24 * 3_600_000, 'lease', 0);
    post(hook);
    await until(async () => (await store.line('hook')).dead === 1, { what: 'the first one to be given up' });
    expect((await store.line('hook')).waiting).toBe(numbers.length - 1);
  });

  test('that a killed process had in hand is posted by another one, once the claim has lapsed; before that by nobody', async () => {
    const hook = sinks.filter(({ name }) => name === 'hook');
    await enqueue(hook);
    expect(await store.claim('hook', 'killed', 700)).toMatchObject({ kind: 'letter', letter: { id: 'alr_1' } });
    const began = performance.now();
    post(hook, 'b');
    post(hook, 'c');
    await until(() => far.webhook.heard.length === numbers.length, { what: 'all of them' });
    expect(performance.now() - began).toBeGreaterThan(600);
    expect(heardBy(far.webhook)).toEqual(numbers);
    // The dead one is late: nothing it says counts any more.
    expect(await store.done('hook', 'killed')).toBe(false);
  });

  test('is signed with both secrets while one is exchanged for the other', async () => {
    const hook = sinks.filter(({ name }) => name === 'hook');
    await enqueue(hook);
    post(hook);
    await until(() => far.webhook.heard.length === numbers.length, { what: 'all of them' });
    const [request] = far.webhook.server.requests;
    expect(String(request?.headers['webhook-signature']).split(' ')).toHaveLength(2);
    expect(request?.headers['webhook-id']).toBe('alr_1');
  });
});

test('two leaders at once: one tells, the other has to look again', async () => {
  const { version } = await store.told();
  const letter = { sink: 'line', letter: { id: 'alr_1', json: '{}' } };
  expect(await store.tell(version, { told: [], tellings: [1] }, [letter])).toBe(true);
  expect(await store.tell(version, { told: [], tellings: [2] }, [letter])).toBe(false);
  expect(await store.line('line')).toMatchObject({ waiting: 1 });
  expect((await store.told()).state.tellings).toEqual([1]);
});
