// Traces, as a collector gets them: from the request to the provider's call and its webhook; off by default; a dead collector harms nobody.
import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { compile } from './support/child.ts';
import { type HttpServer, startHttpServer } from './support/http-server.ts';
import { event, newFarSide, ownProviders, webhookSecret } from './support/own-provider.ts';
import { type Service, startService } from './support/service.ts';
import { until } from './support/until.ts';

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { key: string; value: Record<string, unknown> }[];
  readonly events: readonly { name: string; attributes: OtlpSpan['attributes'] }[];
  readonly links: readonly { traceId: string; spanId: string }[];
  readonly status: { code: number; message?: string };
}

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function collector() {
  const server = await startHttpServer({ handler: () => ({ status: 200, body: '{}' }) });
  open.push(() => server.close());
  return server;
}

async function traced(otlp_endpoint: string, more: Record<string, unknown> = {}): Promise<Service> {
  const telemetry = { otlp_endpoint, headers: { 'x-key': 'made-up-collector-key' }, ...more };
  const service = await startService({ settings: { ...ownProviders, telemetry } });
  open.push(() => service.close());
  return service;
}

function spansIn(server: HttpServer): OtlpSpan[] {
  return server.requests.flatMap(({ method, path, headers, body }) => {
    expect({ method, path }).toEqual({ method: 'POST', path: '/v1/traces' });
    expect(headers['content-type']).toBe('application/json');
    expect(headers['x-key']).toBe('made-up-collector-key');
    const { resourceSpans } = JSON.parse(body.toString());
    return resourceSpans.flatMap(
      ({ resource, scopeSpans }: { resource: OtlpSpan; scopeSpans: { spans: OtlpSpan[] }[] }) => {
        expect(attributesOf(resource)).toMatchObject({ 'service.name': 'mailover', 'service.version': '0.0.0-test' });
        return scopeSpans.flatMap(({ spans }) => spans);
      },
    );
  });
}

function attributesOf({ attributes }: Pick<OtlpSpan, 'attributes'>): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? Number(value.intValue ?? value.doubleValue),
    ]),
  );
}

const all = (server: HttpServer, enough: (spans: OtlpSpan[]) => boolean) =>
  until(
    () => {
      const spans = spansIn(server);
      return enough(spans) && spans;
    },
    { what: 'the spans' },
  );
const named = (spans: readonly OtlpSpan[], name: string) => spans.filter((span) => span.name === name);

describe('a mail, from its request to its delivery', () => {
  test('is one trace, that of its sender; a failover shows; nothing private is in it', async () => {
    const far = newFarSide();
    far.send = (provider) =>
      provider === 'first' ? { outcome: 'failed', reason: 'connection_failed', detail: 'for ada@example.com' } : null;
    const server = await collector();
    const service = await traced(server.url);
    const [trace, caller] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const private_ = { to: 'ada.private@example.com', subject: 'Made-up subject', text: 'Made-up text' };
    const id = await service.send(private_, { traceparent: `00-${trace}-${caller}-01` });
    await service.settled(id, ['sent']);
    const told = event(id, 'delivered', { recipient: private_.to });
    const webhook = await service.call('POST', '/webhooks/second', { events: [told] }, { 'x-secret': webhookSecret });
    expect(webhook.status).toBe(200);

    const spans = await all(
      server,
      (some) => named(some, 'event delivered').length > 0 && named(some, 'POST /webhooks/:provider').length > 0,
    );
    const ours = spans.filter(({ traceId }) => traceId === trace);
    const [request] = named(ours, 'POST /v1/emails');
    expect(request).toMatchObject({ kind: 2, parentSpanId: caller });
    expect(attributesOf(request!)).toMatchObject({ 'http.route': '/v1/emails', 'http.response.status_code': 202 });

    const attempts = named(ours, 'attempt');
    expect(attempts.map((span) => [span.kind, span.parentSpanId, attributesOf(span)])).toMatchObject([
      [5, request!.spanId, { 'mailover.message': id, 'mailover.provider': 'first', 'mailover.attempt': 1 }],
      [5, request!.spanId, { 'mailover.message': id, 'mailover.provider': 'second', 'mailover.attempt': 2 }],
    ]);
    expect(attempts.map(({ status }) => status)).toEqual([{ code: 2, message: 'failed' }, { code: 0 }]);
    expect(attempts.map(({ events }) => events.map((one) => [one.name, attributesOf(one)]))).toEqual([
      [['outcome', { 'mailover.outcome': 'failed', 'mailover.reason': 'connection_failed' }]],
      [['outcome', { 'mailover.outcome': 'accepted' }]],
    ]);
    const calls = named(ours, 'send own');
    expect(calls.map(({ kind, parentSpanId }) => [kind, parentSpanId])).toEqual(
      attempts.map(({ spanId }) => [3, spanId]),
    );
    for (const [index, call] of calls.entries()) {
      expect(BigInt(call.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(attempts[index]!.startTimeUnixNano));
      expect(BigInt(call.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(attempts[index]!.endTimeUnixNano));
    }

    const [delivered] = named(ours, 'event delivered');
    const [hook] = named(spans, 'POST /webhooks/:provider');
    expect(delivered).toMatchObject({
      parentSpanId: request!.spanId,
      links: [{ traceId: hook!.traceId, spanId: hook!.spanId }],
    });
    expect(hook!.traceId).not.toBe(trace);

    const everything = JSON.stringify(spans);
    for (const secret of [
      ...Object.values(private_),
      'ada',
      webhookSecret,
      'made-up-collector-key',
      'made-up-admin-key',
    ])
      expect(everything).not.toContain(secret);
  });

  test('without a traceparent, or with one that is none, it begins a trace of its own', async () => {
    newFarSide();
    const server = await collector();
    const service = await traced(server.url);
    for (const traceparent of [undefined, 'nonsense', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`]) {
      const id = await service.send({}, traceparent === undefined ? {} : { traceparent });
      const spans = await all(server, (some) =>
        some.some((span) => span.name === 'attempt' && attributesOf(span)['mailover.message'] === id),
      );
      const attempt = spans.find((span) => span.name === 'attempt' && attributesOf(span)['mailover.message'] === id)!;
      const request = spans.find(({ spanId }) => spanId === attempt.parentSpanId)!;
      expect(request).toMatchObject({ name: 'POST /v1/emails', traceId: attempt.traceId });
      expect(request.parentSpanId || undefined).toBeUndefined();
      expect(attempt.traceId).toMatch(/^(?!0{32})[\da-f]{32}$/);
    }
  });

  test('is traced by chance, but as its sender wants where he says so', async () => {
    newFarSide();
    const server = await collector();
    const service = await traced(server.url, { sample: 0 });
    const trace = '1'.repeat(32);
    const silent = [await service.send(), await service.send({}, { traceparent: `00-${trace}-b7ad6b7169203331-00` })];
    const wanted = await service.send({}, { traceparent: `00-${'2'.repeat(32)}-b7ad6b7169203331-01` });
    await service.allSettled([...silent, wanted], ['sent']);
    await all(server, (some) => named(some, 'attempt').length > 0);
    await service.running.close();
    expect(new Set(spansIn(server).map(({ traceId }) => traceId))).toEqual(new Set(['2'.repeat(32)]));
  });
});

describe('a collector that is no help', () => {
  test.each([
    ['gone', null],
    ['failing', () => ({ status: 500, body: 'no' })],
    ['hanging', () => new Promise<never>(() => {})],
  ] as const)('that is %s: mail goes on, the log says so, and the stop is not held up', async (_, handler) => {
    newFarSide();
    const server = await startHttpServer({ handler: (handler ?? (() => ({ status: 200 }))) as never });
    if (handler === null) await server.close();
    else open.push(() => server.close());
    const service = await traced(server.url);
    const ids = await Promise.all(Array.from({ length: 50 }, () => service.send()));
    await service.allSettled(ids, ['sent']);
    // One that hangs is given up after some seconds; the others say at once what is wrong, if only after their retries.
    if (handler === null)
      await until(() => service.log.some(({ msg }) => String(msg).startsWith('traces could not be handed')), {
        within: 20_000,
      });
    expect(JSON.stringify(service.log)).not.toContain('made-up-collector-key');
    const began = performance.now();
    await service.running.close();
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

test('off by default: nothing is stored of a traceparent', async () => {
  newFarSide();
  const service = await startService({ settings: ownProviders });
  open.push(() => service.close());
  const id = await service.send({}, { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
  await service.settled(id, ['sent']);
  const client = await service.redis.client();
  const [record] = await client.keys(`*message:${id}`);
  expect(await client.hkeys(record!)).not.toContain('trace');
});

test('its packages are loaded only when they are asked for', async () => {
  const [app, otlp] = [await compile('src/app.ts'), await compile('src/tracing/otlp.ts')];
  // The API itself comes with prom-client, whatever we do.
  const script = `
    import { createRequire } from 'node:module';
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((file) => /@opentelemetry.(sdk|exporter)/.test(file)).length;
    await import(${JSON.stringify(app)});
    const before = loaded();
    await import(${JSON.stringify(otlp)});
    console.log(JSON.stringify([before, loaded() > 0]));`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(JSON.parse(said)).toEqual([0, true]);
});
