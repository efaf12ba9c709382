// The operators' word on a rescue: a dry run that touches nothing, one yes that counts, and who said it.
import fastify, { type FastifyInstance } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addAuth } from '../../src/api/auth.ts';
import { ApiError, problem } from '../../src/api/errors.ts';
import { type RescueRouteParts, rescueRoutes } from '../../src/api/rescue.ts';
import { createApiKeys, type Scope } from '../../src/store/api-keys.ts';
import { type Audit, createAudit } from '../../src/store/audit.ts';
import { createSeal } from '../../src/store/seal.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { incident, openStage, runUntil, type Stage } from './stage.ts';

let redis: TestRedis;
let stage: Stage;
let app: FastifyInstance;
let audit: Audit;
let rescue: ReturnType<Stage['rescue']>;
const windows: Record<string, Awaited<ReturnType<RescueRouteParts['windowOf']>>> = {};

beforeEach(async () => {
  redis = await startRedis();
  stage = await openStage(redis);
  rescue = stage.rescue();
  audit = createAudit(stage.client, createSeal([Buffer.alloc(32, 7)]), Date.now, { info: () => {} });
  app = fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, _request, reply) => {
    const known = error instanceof ApiError ? error : new ApiError('validation_error', String(error));
    return reply.code(problem(known).status).send(JSON.stringify(problem(known)));
  });
  addAuth(app, createApiKeys(stage.client, null, Date.now));
  rescueRoutes(app, { rescue, audit, windowOf: async (id) => windows[id] ?? null });
});
afterEach(async () => {
  for (const id of Object.keys(windows)) delete windows[id];
  await app.close();
  await stage.close();
  await redis.stop();
});

async function post(payload: Record<string, unknown>, { id = incident, scope = 'operate' as Scope } = {}) {
  const keyOf = createApiKeys(stage.client, null, Date.now);
  const { key } = await keyOf.create({ name: 'operator', scopes: [scope], streams: null, senders: null });
  const answer = await app.inject({
    method: 'POST',
    url: `/v1/incidents/${id}/rescue`,
    headers: { authorization: `Bearer ${key}` },
    payload,
  });
  return { status: answer.statusCode, body: JSON.parse(answer.body) };
}

async function awaiting(): Promise<void> {
  for (let n = 0; n < 3; n++) await stage.swallow({ stream: 'ask' });
  await stage.swallow({ stream: 'off', lane: 'bulk' });
  await rescue.begin(incident, 'first', 0, await stage.rescues.now());
  await runUntil(rescue, ['awaiting_approval']);
}

test('a dry run tells what a yes would do, and is none', async () => {
  await awaiting();
  const { status, body } = await post({ dry_run: true });
  expect({ status, body }).toEqual({
    status: 200,
    body: {
      object: 'rescue',
      incident,
      provider: 'first',
      dry_run: true,
      state: 'awaiting_approval',
      candidates: 4,
      by_lane: { critical: 0, normal: 3, bulk: 1 },
      looked_at: 4,
      by_stream: { ask: 3, off: 1 },
      would: { send: 3, hold: 0, expire: 0, leave: 1 },
      counts: { rescued: 0, expired: 0, held: 3, stranded: 1, confirmed_late: 0 },
    },
  });
  expect(await rescue.stateOf(incident)).toMatchObject({ state: 'awaiting_approval', approved: false });
  expect((await audit.list({ limit: 10 })).entries).toEqual([]);
});

test.each([[{}], [{ dry_run: false }]])(
  'a yes (%j) sends what was held, and stands in the audit once',
  async (payload) => {
    await awaiting();
    const side = stage.far();
    expect(await post(payload)).toMatchObject({
      status: 200,
      body: { state: 'running', dry_run: false, candidates: 4 },
    });
    expect(await post(payload)).toMatchObject({ status: 200 });
    await runUntil(rescue);
    await side.close();
    expect(side.arrived).toHaveLength(3);
    expect(await post(payload)).toMatchObject({
      status: 200,
      body: { state: 'done', counts: { rescued: 3, held: 0 } },
    });
    const { entries } = await audit.list({ limit: 10 });
    expect(entries).toHaveLength(1);
    expect(entries[0]).toMatchObject({ what: 'incident.rescue', target: incident, why: '4 messages of first' });
  },
);

test('where nothing has been begun it previews the incident’s mail, and a yes begins with it', async () => {
  await stage.swallow();
  await stage.swallow({ stream: 'ask' });
  windows[incident] = { provider: 'first', from: 0, to: await stage.rescues.now() };
  expect((await post({ dry_run: true })).body).toMatchObject({
    state: 'none',
    candidates: 2,
    would: { send: 1, hold: 1 },
    counts: { rescued: 0 },
  });
  expect(await rescue.stateOf(incident)).toBeNull();
  const side = stage.far();
  expect((await post({})).body).toMatchObject({ state: 'running' });
  await runUntil(rescue);
  await side.close();
  expect(side.arrived).toHaveLength(2);
});

test('one that nobody knows is not found; who may only read may not; what is no body is refused', async () => {
  expect(await post({}, { id: 'inc_unknown' })).toMatchObject({ status: 404, body: { name: 'not_found' } });
  await awaiting();
  expect((await post({}, { scope: 'read' })).status).toBe(403);
  expect((await post({ dry_run: 'perhaps' })).status).toBe(422);
  expect((await post({ really: true })).status).toBe(422);
  expect(await rescue.stateOf(incident)).toMatchObject({ approved: false });
});
