// Asking at once: which quiet messages are asked about, what comes of the answers, and how rarely it happens.
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { configSchema } from '../../config/schema.ts';
import { createProvider } from '../../providers/index.ts';
import type { LookedUp, LookUp, Provider, ProviderEvent } from '../../providers/provider.ts';
import { createAskSoon } from '../../src/monitor/ask-soon.ts';
import { connect, whenReady } from '../../src/store/connection.ts';
import { keys } from '../../src/store/keys.ts';
import { createMessages } from '../../src/store/messages.ts';
import { createSeal } from '../../src/store/seal.ts';
import { createSuppressions } from '../../src/store/suppressions.ts';
import { createTraffic } from '../../src/store/traffic.ts';
import { quietParts } from '../providers/parts.ts';
import { event, type FarSide, newFarSide, ownProviders } from '../support/own-provider.ts';
import { type Service, startService, testKey } from '../support/service.ts';

const settings = {
  ...ownProviders,
  streams: {
    default: { providers: ['first', 'second'] },
    critical: { providers: ['first', 'second'], priority: 'critical' },
  },
};
let service: Service;
let far: FarSide;
let asked: LookUp[] = [];
const said: { provider?: string; msg: string }[] = [];
const log = pino({ level: 'debug' }, { write: (line: string) => said.push(JSON.parse(line)) });
let client: ReturnType<typeof connect>;
let providers: Map<string, Provider>;

beforeAll(async () => {
  far = newFarSide();
  service = await startService({ settings, roles: ['api', 'worker'] });
  client = connect({ url: service.redis.url }, 'request', pino({ level: 'silent' }));
  await whenReady(client);
  const config = configSchema.parse({
    ...settings,
    redis: { url: service.redis.url },
    encryption: { keys: [testKey] },
  });
  providers = new Map();
  for (const [name, own] of Object.entries(config.providers))
    providers.set(name, await createProvider(name, own, quietParts()));
});
afterAll(async () => {
  client.disconnect();
  await service.close();
});
beforeEach(async () => {
  far.lookUp = (_, message) => {
    asked.push(message);
    return { kind: 'unknown', detail: 'not yet' };
  };
  asked = [];
  said.length = 0;
  knewNothing.length = 0;
  for (const lane of ['critical', 'normal']) await client.del(keys.unconfirmed('first', lane));
});

/** Who was told to know nothing, in order. */
const knewNothing: string[] = [];

function asking(known: ReadonlyMap<string, Provider> = providers, redis = client) {
  let now = Date.now();
  const seal = createSeal([Buffer.from(testKey, 'base64')]);
  const clock = () => now;
  const messages = createMessages(client, seal, { bodies: 60_000, messages: 60_000 });
  const suppressions = createSuppressions(client, seal, clock);
  const quiet = () => {};
  const record = {
    messages,
    suppressions,
    clock,
    delivered: quiet,
    moved: quiet,
    distrusts: () => false,
    saw: async () => {},
  };
  return {
    askSoon: createAskSoon(
      () => [redis],
      known,
      record,
      async (name) => knewNothing.push(name),
      log,
    ),
    later: (ms: number) => (now += ms),
  };
}

/** Messages that `first` took so many seconds ago. Their ids. */
async function silent(ages: readonly number[], stream = 'default'): Promise<string[]> {
  const ids: string[] = [];
  for (const age of ages) {
    const id = await service.send({ stream });
    await service.settled(id, ['sent']);
    const lane = stream === 'critical' ? 'critical' : 'normal';
    expect(await client.zadd(keys.unconfirmed('first', lane), 'XX', 'CH', Date.now() - age * 1_000, id)).toBe(1);
    ids.push(id);
  }
  return ids;
}

const ago = (seconds: number) => Date.now() - seconds * 1_000;
const askedFor = () => asked.map(({ messageId }) => messageId).sort();

test('the oldest of that time are asked about, and the newest; of all lanes together', async () => {
  const normal = await silent([600, 290, 270, 250, 150, 100, 10]);
  const critical = await silent([280, 240, 60, 20], 'critical');
  await asking().askSoon('first', ago(300), ago(15), false);
  const expected = [normal[1], critical[0], normal[2], normal[3], critical[3]];
  expect(askedFor()).toEqual(expected.map(String).sort());
  expect(asked[0]).toMatchObject({ recipients: ['ada@example.com'], sentAt: expect.any(Number) });
  expect(asked.every((one) => one.providerMessageId === `theirs-${one.messageId}`)).toBe(true);
});

test('where there are few, all of them are asked about, once; but none that is too young to tell', async () => {
  const [one, two, three] = await silent([90, 80, 20, 3, 2]);
  await asking().askSoon('first', ago(95), ago(15), true);
  expect(askedFor()).toEqual([one, two, three].sort());
});

test('one that answers for its mail, and knows of no sign of life, is told of; silence of its own is no answer', async () => {
  const [one, two] = await silent([120, 110]);
  const told = async (of: Record<string, LookedUp>, from = ago(200)) => {
    far.lookUp = (_, { messageId }) => of[messageId] ?? { kind: 'unknown', detail: 'it cannot say' };
    await asking().askSoon('first', from, ago(15), true);
    return knewNothing.splice(0);
  };
  const found = (events: readonly ProviderEvent[]) => ({ kind: 'found', providerMessageId: null, events }) as const;
  expect(await told({})).toEqual([]);
  expect(await told({ [one!]: found([]) })).toEqual(['first']);
  expect(await told({ [two!]: { kind: 'absent' } })).toEqual(['first']);
  expect(await told({ [one!]: found([event(one!, 'sent')]) })).toEqual(['first']);
  expect(await told({ [one!]: found([]), [two!]: found([event(two!, 'delivered')]) })).toEqual([]);
  // Where there is nothing to ask, nothing is known.
  expect(await told({ [one!]: found([]) }, ago(16))).toEqual([]);
});

test('what comes too early to ask is no question, and the next need not wait for it', async () => {
  const { askSoon } = asking();
  await silent([120]);
  await askSoon('first', ago(10), ago(15), true);
  await askSoon('first', ago(60), ago(50), true);
  expect(asked).toEqual([]);
  // One alone tells too little before it is overdue.
  await askSoon('first', ago(200), ago(15), false);
  expect(asked).toEqual([]);
  await askSoon('first', ago(200), ago(15), true);
  expect(asked).toHaveLength(1);
});

test('what the provider knows is recorded, as found by asking and not as a webhook', async () => {
  const [delivered, unknown, broken] = await silent([120, 110, 100]);
  const signs = () => createTraffic(client, Date.now).read('first');
  const before = await signs();
  far.lookUp = (_, { messageId }) => {
    if (messageId === broken) throw new Error('a made-up failure of the adapter');
    if (messageId === unknown) return { kind: 'absent' };
    return { kind: 'found', providerMessageId: null, events: [event(messageId, 'delivered')] };
  };
  await asking().askSoon('first', ago(200), ago(15), true);
  expect(await service.settled(delivered!, ['delivered'])).toMatchObject({ provider: 'first' });
  const after = await signs();
  expect(after.polledAt).toBeGreaterThan(before.polledAt ?? 0);
  expect(after.webhookAt).toBe(before.webhookAt);
  expect(await client.zrange(keys.unconfirmed('first', 'normal'), 0, '-1')).toEqual([unknown, broken]);
});

test('at most once in five seconds, for each provider', async () => {
  await silent([120]);
  const { askSoon, later } = asking();
  await Promise.all([
    askSoon('first', ago(200), ago(15), true),
    askSoon('first', ago(200), ago(15), true),
    askSoon('second', ago(200), ago(15), true),
  ]);
  later(4_999);
  await askSoon('first', ago(200), ago(15), true);
  expect(asked).toHaveLength(1);
  later(1);
  await askSoon('first', ago(200), ago(15), true);
  expect(asked).toHaveLength(2);
});

test('a provider that cannot be asked is not, nor one that is not there', async () => {
  await silent([120]);
  const { lookUp: _, ...mute } = providers.get('first')!;
  await asking(new Map([['first', mute]])).askSoon('first', ago(200), ago(15), true);
  await asking().askSoon('third', ago(200), ago(15), true);
  expect(asked).toEqual([]);
  expect(said).toEqual([]);
});

test('one message that cannot be read keeps nobody from asking about the others, and a store that is away is no failure of the caller', async () => {
  const [id] = await silent([120]);
  await client.zadd(keys.unconfirmed('first', 'normal'), ago(150), 'em_gone', ago(140), 'em_bad', ago(130), 'em_worse');
  for (const broken of ['em_bad', 'em_worse']) await client.set(keys.message(broken), 'no hash');
  await asking().askSoon('first', ago(200), ago(15), true);
  expect(askedFor()).toEqual([id]);
  const trouble = { provider: 'first', msg: expect.stringContaining('could not be asked about') };
  expect(said).toMatchObject([trouble, trouble]);
  const closed = connect({ url: service.redis.url }, 'request', pino({ level: 'silent' }));
  closed.disconnect();
  await asking(providers, closed).askSoon('first', ago(200), ago(15), true);
  expect(said).toMatchObject([trouble, trouble, trouble]);
});
