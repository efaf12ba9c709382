// /v1/keys: API keys, made, listed and revoked. A key is shown once.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { senderPatternFault } from '../intake/senders.ts';
import type { ApiKeys, Scope, StoredKey } from '../store/api-keys.ts';
import type { Audit } from '../store/audit.ts';
import { actorOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';

/** What the routes need. */
export interface KeyRouteParts {
  readonly apiKeys: ApiKeys;
  readonly audit: Audit;
  /** Is there an admin key in the environment? Then no key in the store is the last one. */
  readonly envKey: boolean;
  readonly streams: readonly string[];
}

const scopes = ['send', 'read', 'operate', 'admin'] as const satisfies Scope[];
const time = z.string().meta({ format: 'date-time' });
const shape = {
  object: z.literal('key'),
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(scopes)),
  streams: z.array(z.string()).nullable().meta({ description: 'The only streams it may use; null for all.' }),
  senders: z.array(z.string()).nullable().meta({ description: 'The only senders it may use; null for all.' }),
  created_at: time.nullable(),
  created_by: z.string().nullable().meta({ description: 'The id of the key that made it.' }),
};
const keyView = z.object(shape).meta({ id: 'Key', description: 'An API key, without the key itself.' });
const newKeyView = z
  .object({ ...shape, key: z.string().meta({ description: 'The key. Shown in this answer and never again.' }) })
  .meta({ id: 'NewKey' });
const sender = z.string().superRefine((text, context) => {
  const fault = senderPatternFault(text);
  if (fault !== null) context.addIssue(fault);
});
const keyBody = z.strictObject({
  name: z.string().trim().min(1).max(100).meta({ description: 'For people: which application or person has it.' }),
  scopes: z.array(z.enum(scopes)).min(1),
  streams: z.array(z.string()).min(1).optional().meta({ description: 'The only streams it may use.' }),
  senders: z
    .array(sender)
    .min(1)
    .optional()
    .meta({ description: 'The only senders it may use, as in `senders.allow`.' }),
});
const idParams = z.object({ id: z.string().meta({ description: 'key_…' }) });
const forceQuery = z.strictObject({
  force: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'Revoke even the last key that may make others.' }),
});

/** Adds the routes of API keys. */
export function keyRoutes(app: FastifyInstance, parts: KeyRouteParts): void {
  const routes = documented(app);

  routes.route({
    method: 'GET',
    url: '/v1/keys',
    scope: 'admin',
    summary: 'List the API keys, oldest first',
    answers: { 200: z.object({ object: z.literal('list'), data: z.array(keyView) }) },
    errors: [],
    handler: async (_request, reply) => reply.send({ object: 'list', data: (await parts.apiKeys.list()).map(view) }),
  });

  routes.route({
    method: 'POST',
    url: '/v1/keys',
    scope: 'admin',
    summary: 'Make an API key',
    description: 'The key is in the answer, and nowhere else: only its hash is kept.',
    body: keyBody,
    answers: { 201: newKeyView },
    errors: ['validation_error'],
    async handler(request, reply) {
      const { name, scopes: allowed, streams = null, senders = null } = request.body as z.output<typeof keyBody>;
      const strange = streams?.findIndex((one) => !parts.streams.includes(one)) ?? -1;
      if (strange >= 0) {
        const message = `is no stream; there are ${parts.streams.join(', ')}`;
        const path = `streams.${strange}`;
        throw new ApiError('validation_error', `${path} ${message}.`, { faults: [{ path, message }] });
      }
      const actor = actorOf(request);
      const wanted = { name, scopes: [...new Set(allowed)], streams, senders };
      const made = await parts.apiKeys.create(wanted, actor.id, ({ id }) =>
        parts.audit.write(actor, { ...{ what: 'key.create', target: id, why: '' }, before: null, after: wanted }),
      );
      return reply.code(201).send({ ...view(made), key: made.key });
    },
  });

  routes.route({
    method: 'DELETE',
    url: '/v1/keys/:id',
    scope: 'admin',
    summary: 'Revoke an API key',
    description:
      'It stops working within a second. The last one that may make others is revoked only with `force=true`.',
    params: idParams,
    query: forceQuery,
    answers: { 200: z.object({ object: z.literal('key'), id: z.string(), revoked: z.literal(true) }) },
    errors: ['not_found', 'needs_force', 'validation_error'],
    async handler(request, reply) {
      const { id } = request.params as z.output<typeof idParams>;
      const all = await parts.apiKeys.list();
      const one = all.find(({ principal }) => principal.id === id);
      if (!one) throw new ApiError('not_found', 'There is no key with this id.');
      const admins = all.filter(({ principal }) => principal.scopes.includes('admin'));
      const { force } = request.query as z.output<typeof forceQuery>;
      if (force === 'false' && !parts.envKey && admins.length === 1 && admins[0] === one) {
        throw new ApiError(
          'needs_force',
          'This is the last key with the scope “admin”: nobody could make another one. Make one first, or set MAILOVER_ADMIN_KEY.',
        );
      }
      const { id: _, ...before } = one.principal;
      await parts.audit.write(actorOf(request), {
        ...{ what: 'key.revoke', target: id, why: '' },
        before,
        after: null,
      });
      await parts.apiKeys.revoke(id);
      return reply.send({ object: 'key', id, revoked: true });
    },
  });
}

function view({ principal, createdAt, createdBy }: StoredKey): z.output<typeof keyView> {
  const { id, name, scopes: allowed, streams, senders } = principal;
  return {
    object: 'key',
    id,
    name,
    scopes: [...allowed],
    streams: streams && [...streams],
    senders: senders && [...senders],
    created_at: createdAt === null ? null : new Date(createdAt).toISOString(),
    created_by: createdBy,
  };
}
