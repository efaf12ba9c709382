// What the tests of the API stand on: a service whose every answer is held against its own openapi.json, keys, the inbox.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import { errorTypes } from '../../src/api/errors.ts';
import { createApiKeys, type Principal } from '../../src/store/api-keys.ts';
import { type Answer, type Service, type ServiceOptions, startService } from '../support/service.ts';

/** Two sandboxes that deliver at once, a stream for each lane, and failures that do not take a provider away for long. */
export const quick = {
  providers: { primary: { type: 'sandbox', latency: '0ms' }, standby: { type: 'sandbox', latency: '0ms' } },
  streams: {
    default: { providers: ['primary', 'standby'] },
    critical: { providers: ['primary', 'standby'], priority: 'critical', expires_in: '30m', on_unknown: 'hold' },
    other: { providers: ['standby'] },
  },
};

/** `startService` with `quick` settings; `call`, and all that builds on it, checks each answer against the documents. */
export async function startStage(options: ServiceOptions = {}): Promise<Service> {
  const service = await startService({ ...options, settings: { ...quick, ...options.settings } });
  const call = service.call;
  const { body: document } = await call('GET', '/openapi.json');
  const check = answerCheck(document);
  service.call = async (method, path, body, headers) => {
    const answer = await call(method, path, body, headers);
    check(method, path, answer);
    return answer;
  };
  return service;
}

let people = 0;
/** A recipient that no other mail has had: one that bounces is suppressed, and gets no more. */
export function someone(): string {
  people += 1;
  return `someone${people}@example.com`;
}

/** Headers with a new API key: for everything unless `principal` narrows it. */
export async function keyFor(service: Service, principal: Partial<Omit<Principal, 'id'>> = {}) {
  const apiKeys = createApiKeys(await service.redis.client(), null, Date.now);
  const { key } = await apiKeys.create({
    name: 'made for a test',
    scopes: ['send', 'read', 'operate'],
    streams: null,
    senders: null,
    ...principal,
  });
  return { authorization: `Bearer ${key}` };
}

/** The mails that the sandboxes delivered, by message id. */
export async function inbox(service: Service, provider?: string): Promise<Map<string, number>> {
  const query = provider === undefined ? '' : `&provider=${provider}`;
  const { body } = await service.call('GET', `/v1/sandbox/inbox?limit=1000${query}`);
  const copies = new Map<string, number>();
  for (const { message_id } of body.data) copies.set(message_id, (copies.get(message_id) ?? 0) + 1);
  return copies;
}

/** Makes a sandbox behave like this from the next hand-over on. */
export async function behave(service: Service, provider: string, mode: string): Promise<void> {
  const { status } = await service.call('PUT', `/v1/providers/${provider}/sandbox`, { mode });
  expect(status).toBe(200);
}

/** All ids of the list, page by page. */
export async function listed(service: Service, query = ''): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | null = null;
  do {
    const at: string = cursor === null ? '' : `&cursor=${cursor}`;
    const { status, body } = await service.call('GET', `/v1/emails?limit=100${query}${at}`);
    expect(status).toBe(200);
    for (const { id } of body.data) ids.push(id);
    cursor = body.next_cursor;
  } while (cursor !== null);
  return ids;
}

/** Expects a problem of this name, in both its forms, with the faults at exactly `paths` where those are given. */
export function expectProblem(answer: Answer, name: keyof typeof errorTypes, paths?: readonly string[]): void {
  const { status, title } = errorTypes[name];
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status, body: { name, statusCode: status } });
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json(;|$)/);
  const { body } = answer;
  expect(body.type).toBe(`urn:mailover:error:${name}`);
  expect(body.title).toBe(title);
  expect(body.status).toBe(status);
  expect(body.detail).toMatch(/\S/);
  expect(body.message).toBe(body.detail);
  if (paths !== undefined) expect(body.errors.map(({ path }: { path: string }) => path)).toEqual(paths);
  for (const { message } of body.errors ?? []) expect(message).toMatch(/\S/);
}

/** Throws unless the answer is one that the document describes for this call. */
export function answerCheck(document: Answer['body']): (method: string, path: string, answer: Answer) => void {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  ajv.addSchema(document, 'openapi');
  const templates = Object.keys(document.paths).map((template) => ({
    template,
    pattern: new RegExp(`^${template.replace(/\{[^}]+\}/g, '[^/]+')}$`),
  }));
  const compiled = new Map<string, ValidateFunction>();

  return (method, path, { status, headers, body }) => {
    const where = `${method} ${path.split('?')[0]} → ${status} ${JSON.stringify(body)?.slice(0, 2_000)}`;
    expect(headers.get('x-request-id'), where).toMatch(/^req_[0-9A-Z]{26}$/);
    const type = headers.get('content-type')?.split(';')[0] ?? '';
    const bare = path.split('?')[0]!;
    // A literal path before one with a parameter.
    const { template } = templates.find((one) => one.template === bare) ??
      templates.find((one) => one.pattern.test(bare)) ?? { template: null };
    if (template === null || !(method.toLowerCase() in document.paths[template])) {
      if (!/^\/(docs|openapi\.json)/.test(bare)) expect([404, 400], where).toContain(status);
      return;
    }
    const response = document.paths[template][method.toLowerCase()].responses[status];
    expect(response, `not documented: ${where}`).toBeDefined();
    if (response.content === undefined) return;
    expect(Object.keys(response.content), where).toContain(type);
    const pointer = ['paths', template, method.toLowerCase(), 'responses', String(status), 'content', type, 'schema'];
    const ref = `openapi#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
    const validate = compiled.get(ref) ?? ajv.compile({ $ref: ref });
    compiled.set(ref, validate);
    expect(validate(body), `${where}\n${ajv.errorsText(validate.errors)}`).toBe(true);
    if (status >= 400 && type.includes('problem')) {
      const known = errorTypes[body.name as keyof typeof errorTypes];
      expect(known?.status, where).toBe(status);
      expect(response.description.split(', '), `not documented: ${where}`).toContain(body.name);
      expect(body, where).toMatchObject({ status, statusCode: status, title: known.title, message: body.detail });
      if (status === 503) expect(Number(headers.get('retry-after')), where).toBeGreaterThan(0);
      if (status === 401) expect(headers.get('www-authenticate'), where).toBe('Bearer');
    }
  };
}
