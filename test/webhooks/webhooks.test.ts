// What providers report reaches the messages, whatever its order, number and company; and nothing else does.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AccountEvent, ProviderEvent } from '../../providers/provider.ts';
import { event, type FarSide, newFarSide, ownProviders, webhookSecret } from '../support/own-provider.ts';
import { type Answer, type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';

let service: Service;
let far: FarSide;

beforeAll(async () => {
  newFarSide();
  service = await startService({ settings: { ...ownProviders, health: { account_check: '1s', ramp_dwell: '200ms' } } });
});
beforeEach(() => {
  far = newFarSide();
});
afterAll(() => service.close());

interface Batch {
  readonly events?: readonly ProviderEvent[];
  readonly account?: readonly AccountEvent[];
}

function report(batch: Batch | string, { provider = 'first', secret = webhookSecret } = {}): Promise<Answer> {
  return service.call('POST', `/webhooks/${provider}`, batch, { 'x-secret': secret, authorization: '' });
}

async function sent(mail: Record<string, unknown> = {}): Promise<string> {
  const id = await service.send({ to: `reader-${Math.random().toString(36).slice(2)}@example.com`, ...mail });
  await service.settled(id, ['sent']);
  return id;
}

const show = async (id: string) => (await service.call('GET', `/v1/emails/${id}`)).body;

describe('events', () => {
  test('join a message by our id, or by theirs where ours is missing', async () => {
    const [ours, theirs] = [await sent(), await sent()];
    const answer = await report({
      events: [event(ours, 'delivered'), event(null, 'delivered', { providerMessageId: `theirs-${theirs}` })],
    });
    expect(answer.status).toBe(200);
    for (const id of [ours, theirs]) {
      expect(await show(id)).toMatchObject({
        status: 'delivered',
        recipients: [{ status: 'delivered' }],
        events: [{ type: 'delivered', provider: 'first' }],
      });
    }
  });

  test('give the same end in every order and number', async () => {
    const kinds = ['sent', 'deferred', 'delivered', 'opened', 'complained'] as const;
    const orders = [
      [0, 1, 2, 3, 4],
      [4, 3, 2, 1, 0],
      [2, 4, 0, 3, 1],
    ];
    for (const order of orders) {
      const id = await sent();
      const events = kinds.map((kind, index) => event(id, kind, { at: 1_700_000_000_000 + index }));
      for (const index of order) expect((await report({ events: [events[index]!, events[index]!] })).status).toBe(200);
      const message = await show(id);
      expect(message.status).toBe('complained');
      expect(message.events.map(({ type }: { type: string }) => type)).toEqual([...kinds]);
    }
  });

  test('follow recipients one by one', async () => {
    const id = await sent({ to: ['ada@example.com', 'grace@example.com'] });
    await report({ events: [event(id, 'delivered', { recipient: 'ADA@example.com' })] });
    expect(await show(id)).toMatchObject({ status: 'sent', recipients: [{ status: 'delivered' }, { status: 'sent' }] });
    // Of two recipients, an event that names none moves none.
    await report({ events: [event(id, 'delivered')] });
    expect(await show(id)).toMatchObject({ status: 'sent' });
    await report({ events: [event(id, 'bounced', { recipient: 'grace@example.com' })] });
    expect(await show(id)).toMatchObject({
      status: 'bounced',
      recipients: [{ status: 'delivered' }, { status: 'bounced' }],
    });
  });

  test('a thousand in one request are all recorded before it is answered', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => sent()));
    const events = Array.from({ length: 1_000 }, (_, index) =>
      event(ids[index % ids.length]!, index < 980 ? 'opened' : 'delivered'),
    );
    expect((await report({ events })).status).toBe(200);
    for (const id of ids) {
      const message = await show(id);
      expect(message.status).toBe('delivered');
      expect(message.events).toHaveLength(50);
    }
  });

  test('that settle an uncertain attempt keep it from being sent again', async () => {
    far.send = (provider) =>
      provider === 'first'
        ? { outcome: 'unknown', reason: 'timeout', detail: 'no answer' }
        : { outcome: 'failed', reason: 'provider_error', detail: 'busy' };
    const id = await service.send();
    await until(async () => (await show(id)).attempts.length >= 2);
    await report({ events: [event(id, 'delivered')] });
    const message = await service.settled(id, ['delivered']);
    expect(message.attempts.filter(({ provider }: { provider: string }) => provider === 'first')).toHaveLength(1);
  });

  test('drop the stored texts once everybody has the mail', async () => {
    const id = await sent();
    const redis = await service.redis.client();
    expect(await redis.exists(`{mailover}:body:${id}`)).toBe(1);
    await report({ events: [event(id, 'delivered')] });
    expect(await redis.exists(`{mailover}:body:${id}`)).toBe(0);
  });

  test('are counted as signs of life: the message is no longer unconfirmed', async () => {
    const before = (await service.call('GET', '/v1/providers/first')).body.confirmation.unconfirmed;
    const id = await sent();
    const unconfirmed = async () => (await service.call('GET', '/v1/providers/first')).body.confirmation.unconfirmed;
    expect(await unconfirmed()).toBe(before + 1);
    await report({ events: [event(id, 'sent')] });
    expect(await unconfirmed()).toBe(before + 1);
    await report({ events: [event(id, 'deferred')] });
    expect(await unconfirmed()).toBe(before);
  });
});

describe('what is not ours', () => {
  test('an event about mail we never sent is kept and counted', async () => {
    const before = (await service.call('GET', '/v1/providers/second')).body.foreign_events.count;
    const answer = await report(
      {
        events: [
          event(null, 'delivered', { providerMessageId: 'a-stranger' }),
          event('em_00000000000000000000000000', 'opened'),
        ],
      },
      { provider: 'second' },
    );
    expect(answer.status).toBe(200);
    const { foreign_events } = (await service.call('GET', '/v1/providers/second')).body;
    expect(foreign_events.count).toBe(before + 2);
    expect(foreign_events.last_at).not.toBeNull();
    expect((await service.call('GET', '/metrics')).body).toContain(
      'mailover_webhooks_total{provider="second",what="foreign"} 2',
    );
  });

  test('a provider has no say in mail it never got', async () => {
    const id = await sent();
    const answer = await report({ events: [event(id, 'bounced', { permanent: true })] }, { provider: 'second' });
    expect(answer.status).toBe(200);
    expect(await show(id)).toMatchObject({ status: 'sent', events: [] });
  });

  test('a forged webhook changes nothing', async () => {
    const id = await sent();
    for (const secret of ['', 'wrong', `${webhookSecret} `.repeat(2)]) {
      const answer = await report(
        {
          events: [event(id, 'bounced')],
          account: [{ id: 'x', at: Date.now(), status: 'suspended', detail: 'forged' }],
        },
        { secret },
      );
      expect(answer.status).toBe(401);
    }
    expect(await show(id)).toMatchObject({ status: 'sent', events: [] });
    expect((await service.call('GET', '/v1/providers/first')).body.state).toBe('up');
  });

  test('a webhook that cannot be read is kept, and not asked for again', async () => {
    const answer = await report('{ broken');
    expect(answer.status).toBe(200);
    expect(service.log.some(({ msg }) => String(msg).includes('could not be read'))).toBe(true);
  });

  test('an unknown provider is a 404, a question of the provider’s own is answered', async () => {
    expect((await report({}, { provider: 'nobody' })).status).toBe(404);
    expect((await fetch(`${service.url}/webhooks/first`, { method: 'HEAD' })).status).toBe(200);
    expect((await service.call('GET', '/webhooks/first')).status).toBe(404);
  });

  test('a body beyond all reason is refused', async () => {
    const answer = await fetch(`${service.url}/webhooks/first`, {
      method: 'POST',
      body: Buffer.alloc(9_000_000),
      headers: { 'x-secret': webhookSecret },
    });
    expect(answer.status).toBe(413);
  });
});

describe('suppression', () => {
  test.each([
    { name: 'a hard bounce', type: 'bounced', permanent: true, reason: 'hard_bounce' },
    { name: 'a complaint', type: 'complained', permanent: false, reason: 'complaint' },
  ] as const)('$name keeps mail from the address, through every provider', async ({ type, permanent, reason }) => {
    const address = `${reason}@example.com`;
    const id = await sent({ to: address });
    await report({ events: [event(id, type, { permanent })] });
    const { body } = await service.call(
      'GET',
      `/v1/suppressions/${address.toUpperCase().replace('EXAMPLE.COM', 'example.com')}`,
    );
    expect(body).toMatchObject({ address, reason, provider: 'first', created_by: null });

    far.taken.length = 0;
    const alone = await service.settled(await service.send({ to: address }), ['suppressed']);
    expect(alone.attempts).toEqual([]);
    const mixed = await service.settled(await service.send({ to: ['someone@example.com', address] }), ['bounced']);
    expect(mixed.recipients.map(({ status }: { status: string }) => status)).toEqual(['sent', 'suppressed']);
    expect(far.taken.map(({ to }) => to)).toEqual([['someone@example.com']]);
  });

  test('a soft bounce does not', async () => {
    const id = await sent({ to: 'full@example.com' });
    await report({ events: [event(id, 'bounced', { permanent: false })] });
    expect((await service.call('GET', '/v1/suppressions/full@example.com')).status).toBe(404);
  });

  test('an address refused at once by a relay is a hard bounce that came early', async () => {
    far.send = () => ({ outcome: 'rejected', reason: 'recipient_invalid', detail: 'no such user' });
    await service.settled(await service.send({ to: 'nobody@example.com' }), ['failed']);
    expect((await service.call('GET', '/v1/suppressions/nobody@example.com')).body).toMatchObject({
      reason: 'hard_bounce',
    });
  });

  test('people add and remove, with a reason, and the audit remembers', async () => {
    const address = 'stop@example.com';
    const added = await service.call('POST', '/v1/suppressions', { address, reason: 'asked us by phone' });
    expect(added.body).toMatchObject({ address, reason: 'manual', detail: 'asked us by phone', created_by: 'env' });
    await service.settled(await service.send({ to: address }), ['suppressed']);

    expect((await service.call('DELETE', `/v1/suppressions/${address}`)).status).toBe(422);
    expect((await service.call('DELETE', `/v1/suppressions/${address}?reason=changed%20their%20mind`)).status).toBe(
      200,
    );
    expect((await service.call('DELETE', `/v1/suppressions/${address}?reason=again`)).status).toBe(404);
    await service.settled(await service.send({ to: address }), ['sent']);

    const { body } = await service.call('GET', '/v1/audit?limit=2');
    expect(body.data).toMatchObject([
      { what: 'suppression.remove', target: address, who: 'env', why: 'changed their mind' },
      { what: 'suppression.add', target: address, who: 'env', why: 'asked us by phone' },
    ]);
  });

  test('the list is paged, newest first, without gaps', async () => {
    for (let n = 0; n < 25; n++)
      await service.call('POST', '/v1/suppressions', { address: `listed${n}@example.com`, reason: 'test' });
    const found: string[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await service.call('GET', `/v1/suppressions?limit=7${cursor ? `&cursor=${cursor}` : ''}`);
      found.push(...body.data.map(({ address }: { address: string }) => address));
      cursor = body.next_cursor;
    } while (cursor);
    const listed = found.filter((address) => address.startsWith('listed'));
    expect(listed).toEqual(Array.from({ length: 25 }, (_, n) => `listed${24 - n}@example.com`));
    expect(new Set(found).size).toBe(found.length);
  });
});

describe('the account', () => {
  const state = async () => (await service.call('GET', '/v1/providers/first')).body;

  test('a check that says suspended takes the provider out before any mail has to find out; one that says active lets it back', async () => {
    far.account = (provider) =>
      provider === 'first'
        ? { status: 'suspended', quotaRemaining: 0, detail: 'terms of service' }
        : { status: 'active', quotaRemaining: 10, detail: '' };
    const suspended = await until(async () => {
      const body = await state();
      return body.state === 'suspended' && body;
    });
    expect(suspended.reason).toContain('terms of service');
    expect(suspended.account).toMatchObject({ status: 'suspended', quota_remaining: 0 });
    expect((await service.settled(await service.send(), ['sent'])).provider).toBe('second');

    far.account = () => ({ status: 'active', quotaRemaining: 10, detail: 'all well' });
    await until(
      async () => {
        await service.send();
        // On its way back only what is confirmed speaks for it.
        const taken = far.taken.filter(({ provider }) => provider === 'first');
        if (taken.length > 0)
          await report({ events: taken.map(({ id }) => event(id, 'delivered', { id: `back-${id}` })) });
        return (await state()).state === 'up';
      },
      { within: 20_000, what: 'the first provider to be up again', every: 200 },
    );
  }, 30_000);

  test('its own word in a webhook counts at once', async () => {
    far.account = () => ({ status: 'unknown', quotaRemaining: null, detail: 'may not look' });
    await report({ account: [{ id: 'a1', at: Date.now(), status: 'suspended', detail: 'compliance' }] });
    const body = await until(async () => {
      const now = await state();
      return now.state === 'suspended' && now;
    });
    expect(body.reason).toContain('compliance');
  });
});

describe('asking the provider', () => {
  test('an uncertain attempt is asked about before the mail is sent again', async () => {
    far.send = (provider) =>
      provider === 'second'
        ? { outcome: 'unknown', reason: 'connection_lost', detail: 'reset' }
        : { outcome: 'failed', reason: 'provider_error', detail: 'no' };
    far.lookUp = (_, { messageId }) => ({ kind: 'found', providerMessageId: `asked-${messageId}`, events: [] });
    const message = await service.settled(await service.send(), ['sent']);
    expect(message).toMatchObject({ provider: 'second', possible_duplicate: false });
    expect(message.attempts.at(-1)).toMatchObject({ outcome: 'accepted', provider_message_id: `asked-${message.id}` });
  });
});

test('while the store is away a webhook is answered 503, so that it comes again', async () => {
  const id = await sent();
  const { provider } = await show(id);
  const delivered = event(id, 'delivered');
  await service.redis.kill('SIGKILL');
  const answer = await report({ events: [delivered] }, { provider });
  expect(answer.status).toBe(503);
  await service.redis.restart();
  await until(async () => (await report({ events: [delivered] }, { provider })).status === 200);
  expect(await show(id)).toMatchObject({ status: 'delivered' });
}, 30_000);

test('quiet mail is asked about in time, and what the provider knows is recorded', async () => {
  far = newFarSide();
  const quiet = await startService({ settings: { ...ownProviders, delivery: { poll_after: '500ms', polls: '10/s' } } });
  try {
    far.lookUp = (_, { messageId }) => ({
      kind: 'found',
      providerMessageId: null,
      events: [event(messageId, 'delivered', { id: `polled-${messageId}` })],
    });
    const id = await quiet.send();
    const message = await quiet.settled(id, ['delivered']);
    expect(message.events).toHaveLength(1);
  } finally {
    await quiet.close();
  }
});
