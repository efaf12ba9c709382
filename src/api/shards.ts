// /v1/shards: which shards the store has, and one more.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Audit } from '../store/audit.ts';
import { actorOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';

/** A shard as it is shown. `openedAt`: epoch ms, null while it is being added; `node` and `waiting` are null where they cannot be told. */
export interface ShardShown {
  readonly number: number;
  readonly tag: string;
  readonly openedAt: number | null;
  readonly node: string | null;
  readonly waiting: number | null;
}

/**
 * What came of adding one. `busy`: another one is being added. `alone`: the store is no cluster. `late`: it is noted, and opened as soon as
 * what stands in the way is over.
 */
export type ShardAdded =
  | { readonly kind: 'added'; readonly number: number; readonly tag: string }
  | { readonly kind: 'busy' | 'alone' }
  | { readonly kind: 'late'; readonly number: number; readonly why: string };

/** What the routes need. */
export interface ShardRouteParts {
  readonly shards: { list(): Promise<readonly ShardShown[]>; add(): Promise<ShardAdded> };
  readonly audit: Audit;
}

const shardView = z
  .object({
    object: z.literal('shard'),
    number: z.number().int(),
    tag: z.string().meta({ description: 'The hash tag of all its keys.' }),
    state: z.enum(['open', 'adding']),
    opened_at: z
      .string()
      .nullable()
      .meta({ format: 'date-time', description: 'Null for the first one, and while it is being added.' }),
    node: z
      .string()
      .nullable()
      .meta({ description: 'The node that keeps it; null while nobody does, and where the store is no cluster.' }),
    waiting: z
      .number()
      .int()
      .nullable()
      .meta({ description: 'Mails that wait for a worker; null while it cannot be reached.' }),
  })
  .meta({ id: 'Shard', description: 'A part of the store with messages and queues of its own.' });
const shardsView = z.object({ object: z.literal('list'), data: z.array(shardView) });
const addBody = z.strictObject({
  reason: z.string().trim().max(500).default('').meta({ description: 'For the audit.' }),
});

/** Adds the routes of shards. */
export function shardRoutes(app: FastifyInstance, { shards, audit }: ShardRouteParts): void {
  const routes = documented(app);
  const shown = async (): Promise<z.output<typeof shardsView>> => ({
    object: 'list',
    data: (await shards.list()).map(({ number, tag, openedAt, node, waiting }) => ({
      object: 'shard',
      number,
      tag,
      state: openedAt === null ? 'adding' : 'open',
      opened_at: openedAt === null || openedAt === 0 ? null : new Date(openedAt).toISOString(),
      node,
      waiting,
    })),
  });

  routes.route({
    method: 'GET',
    url: '/v1/shards',
    scope: 'read',
    summary: 'The shards of the store',
    description: 'A store that is no Redis Cluster has one.',
    answers: { 200: shardsView },
    errors: [],
    handler: async (_request, reply) => reply.send(await shown()),
  });

  routes.route({
    method: 'POST',
    url: '/v1/shards',
    scope: 'admin',
    summary: 'Add a shard',
    description:
      'On the node of the cluster that has the fewest. Mail flows on meanwhile: after the answer new mail goes to it as to the others. It cannot be taken back.',
    body: addBody,
    answers: { 200: shardsView },
    errors: ['cannot_add_shard', 'store_unavailable', 'validation_error'],
    async handler(request, reply) {
      const { reason } = request.body as z.output<typeof addBody>;
      const before = (await shards.list()).length;
      const added = await shards.add();
      switch (added.kind) {
        case 'alone':
          throw new ApiError(
            'cannot_add_shard',
            'The store is no Redis Cluster: set redis.url to redis+cluster://host:6379,host:6379 with nodes of one.',
          );
        case 'busy':
          throw new ApiError('cannot_add_shard', 'Another shard is being added; ask again when that is open.');
        case 'added':
        case 'late':
          await audit.write(actorOf(request), {
            ...{ what: 'shard.add', target: String(added.number), why: reason },
            ...{ before: { shards: before }, after: { shards: before + 1 } },
          });
          if (added.kind === 'added') return reply.send(await shown());
          throw new ApiError(
            'store_unavailable',
            `Shard ${added.number} is noted, and the leading monitor opens it as soon as it can. Until then requests with an Idempotency-Key may be refused. Now: ${added.why}`,
            { retryAfterSeconds: 5 },
          );
        default:
          return added satisfies never;
      }
    },
  });
}
