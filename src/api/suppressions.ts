// /v1/suppressions: addresses that get no mail.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseMailbox } from '../intake/address.ts';
import type { Audit } from '../store/audit.ts';
import type { Suppressed, SuppressionStore } from '../store/suppressions.ts';
import { actorOf, callerOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';

/** What the routes need. */
export interface SuppressionRouteParts {
  readonly suppressions: SuppressionStore;
  readonly audit: Audit;
}

const suppressionView = z
  .object({
    address: z.string(),
    reason: z.enum(['hard_bounce', 'complaint', 'manual']),
    provider: z.string().nullable().meta({ description: 'The provider that reported it.' }),
    detail: z.string(),
    created_at: z.string().meta({ format: 'date-time' }),
    created_by: z.string().nullable().meta({ description: 'The API key that added it by hand.' }),
  })
  .meta({ id: 'Suppression', description: 'An address that gets no mail through any provider.' });

const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().max(100).optional(),
});
const addressParams = z.object({ address: z.string() });
const reasonQuery = z.strictObject({ reason: z.string().min(1).max(500) });
const addBody = z.strictObject({ address: z.string(), reason: z.string().min(1).max(500) });

/** Adds the routes of the suppression list. */
export function suppressionRoutes(app: FastifyInstance, { suppressions, audit }: SuppressionRouteParts): void {
  const routes = documented(app);

  routes.route({
    method: 'GET',
    url: '/v1/suppressions',
    scope: 'read',
    summary: 'List the suppressed addresses, newest first',
    query: pageQuery,
    answers: {
      200: z.object({ object: z.literal('list'), data: z.array(suppressionView), next_cursor: z.string().nullable() }),
    },
    errors: ['validation_error'],
    async handler(request, reply) {
      const { limit, cursor } = request.query as z.output<typeof pageQuery>;
      const page = await suppressions.list(limit, cursor);
      return reply.send({ object: 'list', data: page.suppressed.map(view), next_cursor: page.cursor });
    },
  });

  routes.route({
    method: 'GET',
    url: '/v1/suppressions/:address',
    scope: 'read',
    summary: 'Is this address suppressed, and why?',
    params: addressParams,
    answers: { 200: suppressionView },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const found = await suppressions.find(addressOf((request.params as { address: string }).address, 'address'));
      if (!found) throw new ApiError('not_found', 'This address is not suppressed.');
      return reply.send(view(found));
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/suppressions',
    scope: 'operate',
    summary: 'Suppress an address by hand',
    description:
      'No mail goes to it any more, whatever the provider. Adding one that is there already changes nothing.',
    body: addBody,
    answers: { 200: suppressionView },
    errors: ['malformed_json', 'validation_error'],
    async handler(request, reply) {
      const { address: text, reason } = request.body as z.output<typeof addBody>;
      const address = addressOf(text, 'address');
      if (!(await suppressions.find(address))) {
        await audit.write(actorOf(request), {
          ...{ what: 'suppression.add', target: address, why: reason },
          ...{ before: null, after: { reason: 'manual' } },
        });
        const by = callerOf(request).id;
        await suppressions.add(address, { reason: 'manual', provider: null, detail: reason, by });
      }
      return reply.send(view((await suppressions.find(address))!));
    },
  });

  routes.route({
    method: 'DELETE',
    url: '/v1/suppressions/:address',
    scope: 'operate',
    summary: 'Take an address off the list',
    description: 'The reason stands in the audit. A hard bounce or a complaint puts the address back.',
    params: addressParams,
    query: reasonQuery,
    answers: { 200: z.object({ address: z.string(), removed: z.literal(true) }) },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const address = addressOf((request.params as { address: string }).address, 'address');
      const { reason } = request.query as z.output<typeof reasonQuery>;
      const found = await suppressions.find(address);
      if (!found) throw new ApiError('not_found', 'This address is not suppressed.');
      await audit.write(actorOf(request), {
        ...{ what: 'suppression.remove', target: address, why: reason },
        ...{ before: { reason: found.reason, detail: found.detail }, after: null },
      });
      await suppressions.remove(address);
      return reply.send({ address, removed: true });
    },
  });
}

function addressOf(text: string, path: string): string {
  const parsed = parseMailbox(text);
  if (parsed.ok && parsed.mailbox.name === '') return parsed.mailbox.address;
  const message = parsed.ok ? 'must be an address alone, without a name' : parsed.fault;
  throw new ApiError('validation_error', `${path} ${message}`, { faults: [{ path, message }] });
}

function view({ address, reason, provider, detail, at, by }: Suppressed): z.output<typeof suppressionView> {
  return { address, reason, provider, detail, created_at: new Date(at).toISOString(), created_by: by };
}
