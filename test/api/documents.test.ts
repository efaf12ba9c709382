// /openapi.json and /docs: a valid document with every route of the app, every error, and nothing that is not there.

import { Ajv2020 } from 'ajv/dist/2020.js';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { errorTypes } from '../../src/api/errors.ts';
import type { OpsParts } from '../../src/api/ops.ts';
import { type ApiParts, buildServer } from '../../src/api/server.ts';
import { noTraces } from '../../src/tracing/traces.ts';
import { type Answer, type Service, startService } from '../support/service.ts';

let service: Service;
let document: Answer['body'];
beforeAll(async () => {
  service = await startService();
  document = (await service.call('GET', '/openapi.json', undefined, { authorization: '' })).body;
});
afterAll(() => service.close());

interface Operation {
  readonly where: string;
  readonly template: string;
  readonly operation: Answer['body'];
}
const operations = (): Operation[] =>
  Object.entries(document.paths as Record<string, Record<string, Answer['body']>>).flatMap(([template, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      where: `${method.toUpperCase()} ${template}`,
      template,
      operation,
    })),
  );

/** Every object in it that has `key`, with the value. */
function* everywhere(value: unknown, key: string): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, part] of Object.entries(value)) {
    if (name === key) yield part;
    yield* everywhere(part, key);
  }
}

describe('the document', () => {
  test('is OpenAPI 3.1 with a title, a version and how to sign in', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({
      title: 'Mailover',
      version: '0.0.0-test',
      description: expect.stringMatching(/\S/),
    });
    expect(document.components.securitySchemes).toEqual({ apiKey: { type: 'http', scheme: 'bearer' } });
    const known = [
      'openapi',
      'info',
      'jsonSchemaDialect',
      'servers',
      'paths',
      'webhooks',
      'components',
      'security',
      'tags',
      'externalDocs',
    ];
    for (const key of Object.keys(document)) expect(known).toContain(key);
  });

  test('has for each operation a summary, answers with descriptions, and its path’s parameters', () => {
    for (const { where, template, operation } of operations()) {
      expect(template, where).toMatch(/^\//);
      expect(operation.summary, where).toMatch(/\S/);
      const statuses = Object.keys(operation.responses);
      expect(statuses.length, where).toBeGreaterThan(0);
      for (const status of statuses) {
        expect(status, where).toMatch(/^[2-5]\d\d$|^default$/);
        expect(operation.responses[status].description, where).toMatch(/\S/);
      }
      const wanted = [...template.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name).sort();
      const parameters: { in: string; name: string; required?: boolean; schema: unknown }[] =
        operation.parameters ?? [];
      const inPath = parameters.filter((one) => one.in === 'path');
      expect(inPath.map(({ name }) => name).sort(), where).toEqual(wanted);
      for (const one of inPath) expect(one.required, where).toBe(true);
      expect(new Set(parameters.map((one) => `${one.in} ${one.name}`)).size, where).toBe(parameters.length);
      for (const one of parameters) {
        expect(['path', 'query', 'header', 'cookie'], where).toContain(one.in);
        expect(one.schema, where).toBeTypeOf('object');
      }
    }
    const ids = operations().flatMap(({ operation }) => operation.operationId ?? []);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('has references that lead somewhere, and schemas that are schemas', () => {
    const refs = [...everywhere(document, '$ref')].map(String);
    expect(refs.length).toBeGreaterThan(5);
    for (const ref of refs) {
      const found = ref
        .replace(/^#\//, '')
        .split('/')
        .reduce<Answer['body']>((at, key) => at?.[key.replaceAll('~1', '/').replaceAll('~0', '~')], document);
      expect(found, ref).toBeTypeOf('object');
    }
    const ajv = new Ajv2020({ strict: false });
    ajv.addFormat('date-time', true).addFormat('byte', true);
    ajv.addSchema(document, 'openapi');
    for (const schema of everywhere(document, 'schema')) {
      const inside = JSON.stringify(schema).replaceAll('"#/', '"openapi#/');
      expect(() => ajv.compile(JSON.parse(inside)), inside.slice(0, 200)).not.toThrow();
    }
  });

  test('takes JSON, and only where there is a body to take', () => {
    for (const { where, operation } of operations()) {
      if (operation.requestBody === undefined) continue;
      expect(where).toMatch(/^(POST|PUT|PATCH) /);
      expect(Object.keys(operation.requestBody.content), where).toEqual(['application/json']);
    }
    const bodies = operations().filter(({ operation }) => operation.requestBody !== undefined);
    expect(bodies.map(({ where }) => where)).toEqual(
      expect.arrayContaining([
        'POST /v1/emails',
        'POST /v1/emails/batch',
        'PATCH /v1/emails/{id}',
        'PUT /v1/providers/{name}/sandbox',
      ]),
    );
  });

  test('names every error, under its status, in the one shape', () => {
    const named = new Map<string, Set<string>>();
    for (const { where, operation } of operations()) {
      for (const [status, response] of Object.entries(operation.responses as Record<string, Answer['body']>)) {
        const problem = response.content?.['application/problem+json'];
        if (problem === undefined) continue;
        expect(problem.schema, where).toEqual({ $ref: '#/components/schemas/Problem' });
        for (const name of response.description.split(', ')) {
          expect(errorTypes[name as keyof typeof errorTypes]?.status, `${where} ${name}`).toBe(Number(status));
          named.set(name, (named.get(name) ?? new Set()).add(where));
        }
      }
    }
    expect([...named.keys()].sort()).toEqual(Object.keys(errorTypes).sort());
  });

  test('describes a send as it is taken: the examples pass, another field does not', () => {
    const { schema } = document.paths['/v1/emails'].post.requestBody.content['application/json'];
    const ajv = new Ajv2020({ strict: false });
    ajv.addFormat('date-time', true).addFormat('byte', true);
    ajv.addSchema(document, 'openapi');
    const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/')));
    const mail = { from: 'a@acme.example', to: ['b@example.com'], subject: 'x', text: 'y' };
    expect(validate(mail), ajv.errorsText(validate.errors)).toBe(true);
    expect(validate({ ...mail, cc: 'c@example.com', tags: [{ name: 'n', value: 'v' }] })).toBe(true);
    expect(validate({ ...mail, body: 'x' })).toBe(false);
    expect(validate({ ...mail, to: 7 })).toBe(false);
    expect(validate({ to: 'b@example.com' })).toBe(false);
  });
});

test('every route of the app stands in it, and nothing else does', async () => {
  // The server itself, which nobody calls: only its routes are looked at.
  const server = await buildServer({
    settings: { body_limit: 1, request_timeout: 1_000, trust_proxy: [] },
    api: {
      apiKeys: {},
      emails: {},
      providers: { providers: [], streams: {} },
      suppressions: {},
      exposure: {},
      incidents: {},
      rescue: {},
      webhooks: { providers: new Map() },
      alerts: {},
      shards: {},
    } as unknown as ApiParts,
    ops: {} as OpsParts,
    version: '0.0.0',
    log: pino({ level: 'silent' }),
    newId: () => '',
    observe: () => {},
    traces: noTraces,
  });
  const routes = new Set<string>();
  // A tree of path parts, one a line, each indented by four columns below its parent.
  const parts: string[] = [];
  for (const line of server.printRoutes({ commonPrefix: false }).split('\n')) {
    const [, indent, part = '', methods = ''] = /^((?:[│ ] {3})*)[├└]── (.*?)(?: \((.+)\))?$/.exec(line) ?? [];
    if (indent === undefined) continue;
    parts.length = indent.length / 4;
    parts.push(part);
    for (const method of methods.split(', ')) {
      // What answers GET answers HEAD, too, and nobody needs to be told.
      if (method === 'HEAD' && methods.includes('GET')) continue;
      if (/^[A-Z]+$/.test(method)) routes.add(`${method} ${parts.join('').replace(/:([a-z_]+)/g, '{$1}')}`);
    }
  }
  const own = [...routes].filter((route) => !/ \/(docs|openapi\.json)/.test(route) && !route.includes('*'));
  expect(own).toEqual(expect.arrayContaining(['POST /v1/emails', 'GET /v1/emails/{id}', 'GET /metrics']));
  expect(own.sort()).toEqual(
    operations()
      .map(({ where }) => where)
      .sort(),
  );
});

describe('/docs', () => {
  test('is a page, and what it loads is there', async () => {
    const answer = await fetch(`${service.url}/docs`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/html');
    const page = await answer.text();
    expect(page).toContain('<html');
    const sources = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source!);
    expect(sources.length).toBeGreaterThan(1);
    for (const source of sources) {
      expect(source).not.toMatch(/^(https?:)?\/\//);
      const loaded = await fetch(new URL(source, answer.url));
      expect(loaded.status, source).toBe(200);
      expect((await loaded.arrayBuffer()).byteLength, source).toBeGreaterThan(0);
    }
  });
});
