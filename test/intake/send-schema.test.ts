// The schema of a send: over HTTP, as a description, and against input made to exhaust it.
import Fastify from 'fastify';
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { sendSchema, shapeFaults } from '../../src/intake/send-schema.ts';
import { goodSend } from '../support/bad-sends.ts';

const fields = [
  'from',
  'to',
  'cc',
  'bcc',
  'reply_to',
  'subject',
  'text',
  'html',
  'headers',
  'attachments',
  'tags',
  'metadata',
  'stream',
  'scheduled_at',
  'expires_in',
  'expires_at',
  'on_unknown',
];

interface Described {
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly type?: string;
  readonly anyOf?: readonly unknown[];
  readonly items?: Described;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly additionalProperties?: unknown;
}

describe('as JSON Schema', () => {
  const described = z.toJSONSchema(sendSchema, { io: 'input' }) as Described;

  it('has every field of the contract with a description and examples, and no others', () => {
    expect(Object.keys(described.properties ?? {})).toEqual(fields);
    expect(described.required).toEqual(['from', 'to', 'subject']);
    expect(described.additionalProperties).toBe(false);
    for (const [name, field] of Object.entries(described.properties ?? {})) {
      expect(field.description, name).toMatch(/\w{3}/);
      if (name !== 'attachments') expect(field.examples?.length, name).toBeGreaterThan(0);
    }
    const attachment = described.properties?.attachments?.items;
    expect(Object.keys(attachment?.properties ?? {})).toEqual(['filename', 'content', 'content_type', 'content_id']);
    expect(described.properties?.to?.anyOf).toEqual([{ type: 'string' }, { type: 'array', items: { type: 'string' } }]);
  });

  it('is the same through the OpenAPI transform', () => {
    const openapiObject = { openapi: '3.1.0', info: { title: 'x', version: '1' } };
    const { schema } = jsonSchemaTransform({
      schema: { body: sendSchema },
      url: '/v1/emails',
      route: {} as never,
      openapiObject,
    });
    expect(Object.keys((schema.body as Described).properties ?? {})).toEqual(fields);
  });

  it('has examples that it accepts itself', () => {
    for (const [name, field] of Object.entries(described.properties ?? {})) {
      for (const example of field.examples ?? []) {
        const result = sendSchema.safeParse({ from: 'a@b.example', to: 'a@b.example', subject: 'x', [name]: example });
        expect(result.error?.issues ?? [], name).toEqual([]);
      }
    }
  });
});

describe('over HTTP', () => {
  const app = Fastify({ bodyLimit: 20 * 1024 * 1024, logger: false }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.post('/', { schema: { body: sendSchema } }, (request) => ({
    subject: request.body.subject,
    size: JSON.stringify(request.body).length,
  }));
  afterEach(() => app.close());

  it('takes a send with 13 MB of base64, and names the places of what is wrong', async () => {
    const content = 'QUJD'.repeat(3_400_000);
    const large = await app.inject({
      method: 'POST',
      url: '/',
      payload: { ...goodSend(1), attachments: [{ filename: 'a', content }] },
    });
    expect(large.statusCode).toBe(200);
    expect(large.json().size).toBeGreaterThan(13_000_000);
    const bad = await app.inject({ method: 'POST', url: '/', payload: { ...goodSend(1), from: 7, nonsense: true } });
    expect(bad.statusCode).toBe(400);
    expect(bad.json().message).toMatch(/from/);
    expect(bad.json().message).toMatch(/nonsense/);
  });
});

describe('shapeFaults', () => {
  it('finds nothing in a good send', () => {
    expect(shapeFaults(goodSend(1))).toEqual([]);
  });

  it('names prototype keys at every level, and lists that are too long', () => {
    const input = JSON.parse(
      '{"__proto__": 1, "headers": {"constructor": "x"}, "tags": [{"prototype": "x"}], "attachments": [{"a": {"b": {"__proto__": 1}}}]}',
    );
    expect(shapeFaults(input).map(({ path }) => path)).toEqual([
      ['__proto__'],
      ['headers', 'constructor'],
      ['tags', 0, 'prototype'],
    ]);
    expect(shapeFaults({ to: Array(1_001).fill('a') }).map(({ path }) => path)).toEqual([['to']]);
    expect(shapeFaults({ to: Array(1_000).fill('a') })).toEqual([]);
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });

  it('spares zod the walk through millions of wrong entries', () => {
    const began = performance.now();
    const results = [
      sendSchema.safeParse({ to: Array(5_000_000).fill(1) }),
      sendSchema.safeParse(Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`k${index}`, 1]))),
      sendSchema.safeParse({
        headers: Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => [`k${index}`, 1])),
      }),
      sendSchema.safeParse({ tags: Array(999).fill(JSON.parse(`{${'"constructor":1,'.repeat(900)}"a":1}`)) }),
    ];
    for (const result of results) expect(result.error?.issues.length).toBeLessThan(1_100);
    // Zod alone makes 5 million issues of the first, which takes many seconds and over a gigabyte.
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});
