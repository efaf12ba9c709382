// /v1/keys, and that whatever an operator changes stands in the audit.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Answer, Service } from '../support/service.ts';
import { until } from '../support/until.ts';
import { expectProblem, keyFor, startStage } from './stage.ts';

let service: Service;
beforeAll(async () => {
  service = await startStage();
});
afterAll(() => service.close());

const make = (body: object, headers?: Record<string, string>) => service.call('POST', '/v1/keys', body, headers);
const as = (key: string) => ({ authorization: `Bearer ${key}` });
const newest = async (count: number): Promise<Answer['body'][]> =>
  (await service.call('GET', `/v1/audit?limit=${count}`)).body.data;

test('a key is made, shown once, does what it may, and is revoked', async () => {
  const wanted = { name: 'billing', scopes: ['send'], streams: ['other'], senders: ['*@acme.example'] };
  const made = await make(wanted);
  expect(made).toMatchObject({ status: 201, body: { object: 'key', ...wanted, created_by: 'env' } });
  const { key, id } = made.body;
  const send = (mail: object) =>
    service.call(
      'POST',
      '/v1/emails',
      { from: 'a@acme.example', to: 'b@example.com', subject: 's', text: 't', ...mail },
      as(key),
    );
  expect((await send({ stream: 'other' })).status).toBe(202);
  expectProblem(await send({}), 'stream_not_allowed');
  expectProblem(await send({ stream: 'other', from: 'a@elsewhere.example' }), 'sender_not_allowed');

  const listed = await service.call('GET', '/v1/keys');
  const { key: _, ...shown } = made.body;
  expect(listed.body.data).toContainEqual(shown);
  expect(JSON.stringify(listed.body)).not.toContain(key);

  expect((await service.call('DELETE', `/v1/keys/${id}`)).body).toEqual({ object: 'key', id, revoked: true });
  await until(async () => (await send({ stream: 'other' })).status === 401, { what: 'the key to be nobody’s' });
  expectProblem(await service.call('DELETE', `/v1/keys/${id}`), 'not_found');
  expect(await newest(2)).toMatchObject([
    { what: 'key.revoke', target: id, before: wanted, after: null },
    { what: 'key.create', target: id, before: null, after: wanted },
  ]);
  expect(JSON.stringify(await newest(2))).not.toContain(key);
});

test('what it cannot be, and who may make it', async () => {
  expectProblem(await make({ name: 'x', scopes: [] }), 'validation_error', ['scopes']);
  expectProblem(await make({ name: 'x', scopes: ['send'], streams: ['default', 'nowhere'] }), 'validation_error', [
    'streams.1',
  ]);
  expectProblem(await make({ name: 'x', scopes: ['send'], senders: ['everyone'] }), 'validation_error', ['senders.0']);
  const operator = await keyFor(service, { scopes: ['operate'] });
  expectProblem(await make({ name: 'x', scopes: ['admin'] }, operator), 'insufficient_scope');
  expectProblem(await service.call('GET', '/v1/keys', undefined, operator), 'insufficient_scope');
});

test('the last key that may make others stays, unless it is forced', async () => {
  const alone = await startStage({ adminKey: null });
  try {
    const key = as(alone.running.firstKey!);
    const { id } = (await alone.call('GET', '/v1/keys', undefined, key)).body.data[0];
    expectProblem(await alone.call('DELETE', `/v1/keys/${id}`, undefined, key), 'needs_force');
    expect((await alone.call('POST', '/v1/keys', { name: 'two', scopes: ['admin'] }, key)).status).toBe(201);
    expect((await alone.call('DELETE', `/v1/keys/${id}`, undefined, key)).status).toBe(200);
  } finally {
    await alone.close();
  }
});

test('what an operator does with mail and sandboxes is audited; what an application does with its own is not', async () => {
  const at = new Date(Date.now() + 3_600_000).toISOString();
  const app = await keyFor(service, { scopes: ['send', 'read'] });
  const [own, other] = [await service.send({ scheduled_at: at }, app), await service.send({ scheduled_at: at }, app)];
  await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'deliver', latency: '0ms' });
  const [before] = await newest(1);
  expect(before).toMatchObject({ what: 'sandbox.behave', target: 'primary', after: { mode: 'deliver' } });
  expect((await service.call('POST', `/v1/emails/${own}/cancel`, undefined, app)).status).toBe(200);
  expect(await newest(1)).toEqual([before]);
  const later = new Date(Date.now() + 7_200_000).toISOString();
  await service.call('PATCH', `/v1/emails/${other}`, { scheduled_at: later });
  await service.call('POST', `/v1/emails/${other}/cancel`);
  expect((await service.call('POST', `/v1/emails/${other}/cancel`)).status).toBe(409);
  expect(await newest(3)).toMatchObject([
    { what: 'email.cancel', target: other, before: { status: 'scheduled' }, after: { status: 'cancelled' } },
    { what: 'email.reschedule', before: { scheduled_at: at }, after: { scheduled_at: later } },
    { id: before.id },
  ]);
});
