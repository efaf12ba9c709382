// /v1/failover: mail moved by hand to one provider, and back.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Pin } from '../core/pins.ts';
import { parseDuration } from '../core/units.ts';
import { failback, failover } from '../operate/failover.ts';
import type { OperateParts } from '../operate/parts.ts';
import { pinsShown } from '../operate/shown.ts';
import { forceField, mayMove, notDone, reasonField, untoldField, untoldOf } from './acts.ts';
import { actorOf, callerOf } from './auth.ts';
import { documented } from './routes.ts';

const time = z.string().meta({ format: 'date-time' });
const pinView = z
  .object({
    object: z.literal('pin'),
    stream: z.string().nullable().meta({ description: 'Null for all streams without a pin of their own.' }),
    to: z.string(),
    reason: z.string(),
    by: z.string().meta({ description: 'The name and the id of the API key.' }),
    created_at: time,
    until: time.nullable().meta({ description: 'When it ends by itself; null where only a person ends it.' }),
  })
  .meta({ id: 'Pin', description: 'An operator’s choice of provider; it wins over every verdict but a quarantine.' });
const pinsView = z.object({ object: z.literal('list'), data: z.array(pinView), untold_shards: untoldField });
const failoverBody = z.strictObject({
  to: z.string().meta({ description: 'The provider.' }),
  stream: z.string().optional().meta({ description: 'All streams when absent; then pins of single streams end.' }),
  reason: reasonField,
  for: z
    .string()
    .refine((text) => parseDuration(text) !== null, 'is not a duration: write 30m, 2h or 1d')
    .optional()
    .meta({ description: 'A duration, after which it ends by itself; without one, a person has to.' }),
  force: forceField,
});
const failbackQuery = z.strictObject({
  stream: z.string().optional().meta({ description: 'All of them when absent.' }),
  reason: z.string().trim().max(500).default('').meta({ description: 'For the audit.' }),
});

/** Adds the routes of pins. */
export function failoverRoutes(app: FastifyInstance, parts: OperateParts): void {
  const routes = documented(app);
  const shown = (pins: ReadonlyMap<string, Pin>): z.output<typeof pinsView> => ({
    object: 'list',
    data: pinsShown(pins, parts.clock()),
  });

  routes.route({
    method: 'GET',
    url: '/v1/failover',
    scope: 'read',
    summary: 'Where mail is pinned by hand',
    answers: { 200: pinsView },
    errors: [],
    handler: async (_request, reply) => reply.send(shown((await parts.world.read()).pins)),
  });

  routes.route({
    method: 'POST',
    url: '/v1/failover',
    scope: 'operate',
    summary: 'Send the mail of a stream, or of all, through one provider',
    description:
      'At once, on every process: no attempt that was decided before begins after the answer, and waiting mail moves, too. It wins over every verdict. A mail that the pinned provider fails or refuses goes on to others that are well. Refused, unless forced, where the provider is not well, is not of the stream, or has not verified what it sends from; never possible for a quarantined one.',
    body: failoverBody,
    answers: { 200: pinsView },
    errors: ['stream_not_allowed', 'needs_force', 'provider_quarantined', 'validation_error'],
    async handler(request, reply) {
      const { to, stream = null, reason, for: duration, force } = request.body as z.output<typeof failoverBody>;
      mayMove(callerOf(request), stream);
      const forMs = duration === undefined ? null : parseDuration(duration);
      const came = await failover(parts, actorOf(request), { to, stream, reason, forMs, force });
      if (came.kind !== 'done') throw notDone(came);
      return reply.send({ ...shown(came.pins), ...untoldOf(came) });
    },
  });

  routes.route({
    method: 'DELETE',
    url: '/v1/failover',
    scope: 'operate',
    summary: 'Back to automatic',
    description: 'For one stream or for all. Where nothing is pinned nothing changes.',
    query: failbackQuery,
    answers: { 200: pinsView },
    errors: ['stream_not_allowed', 'validation_error'],
    async handler(request, reply) {
      const { stream = null, reason } = request.query as z.output<typeof failbackQuery>;
      mayMove(callerOf(request), stream);
      const came = await failback(parts, actorOf(request), stream, reason);
      if (came.kind !== 'done') throw notDone(came);
      return reply.send({ ...shown(came.pins), ...untoldOf(came) });
    },
  });
}
