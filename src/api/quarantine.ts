// /v1/providers/{name}/quarantine and …/release: a provider taken out by hand, and let in again.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { OperateParts } from '../operate/parts.ts';
import { quarantine, release } from '../operate/quarantine.ts';
import { forceField, mayMove, notDone, reasonField, untoldField, untoldOf } from './acts.ts';
import { actorOf, callerOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';

/** What the routes need. */
export interface QuarantineRouteParts {
  /** Opens or closes the incident as the provider now is; gives the id of the open one, null for none. */
  readonly incidentFor: (provider: string) => Promise<string | null>;
  /** How many attempts are on the wire there. */
  readonly onTheWire: (provider: string) => Promise<number>;
}

const time = z.string().meta({ format: 'date-time' });
const nameParams = z.object({ name: z.string() });
const quarantineBody = z.strictObject({
  reason: reasonField,
  since: z.iso
    .datetime({ offset: true })
    .optional()
    .meta({ description: 'From when on it is not to be believed, ISO 8601 with an offset; now when absent.' }),
  force: forceField,
});
const quarantineView = z
  .object({
    object: z.literal('quarantine'),
    provider: z.string(),
    since: time.meta({ description: 'What it told from then on is not believed.' }),
    on_the_wire: z.number().meta({ description: 'Attempts that had begun before; they finish and are recorded.' }),
    stranded: z.array(z.string()).meta({ description: 'Streams of which now no provider carries mail.' }),
    incident: z.string().nullable().meta({ description: 'The incident; null while it is being opened.' }),
    untold_shards: untoldField,
  })
  .meta({ id: 'Quarantine', description: 'A provider that an operator has taken out.' });
const releaseView = z.object({ object: z.literal('release'), provider: z.string(), untold_shards: untoldField });

/** Adds both routes. */
export function quarantineRoutes(app: FastifyInstance, operate: OperateParts, parts: QuarantineRouteParts): void {
  const routes = documented(app);

  routes.route({
    method: 'POST',
    url: '/v1/providers/:name/quarantine',
    scope: 'operate',
    summary: 'Take a provider out',
    description:
      'At once, and until it is released by hand: no attempt begins there after the answer, on any process. What it tells from `since` on is kept and shown, and moves nothing. Refused, unless forced, where a stream would be left without a provider.',
    params: nameParams,
    body: quarantineBody,
    answers: { 200: quarantineView },
    errors: ['not_found', 'stream_not_allowed', 'needs_force', 'provider_quarantined', 'validation_error'],
    async handler(request, reply) {
      const provider = nameOf(request);
      const { reason, since, force } = request.body as z.output<typeof quarantineBody>;
      const from = since === undefined ? null : Date.parse(since);
      const came = await quarantine(operate, actorOf(request), { provider, reason, since: from, force });
      if (came.kind !== 'done') throw notDone(came);
      return reply.send({
        object: 'quarantine',
        provider,
        since: new Date(came.since).toISOString(),
        on_the_wire: await parts.onTheWire(provider),
        stranded: [...came.stranded],
        // It stands whatever becomes of this: the monitor opens what is missing.
        incident: await parts.incidentFor(provider).catch(() => null),
        ...untoldOf(came),
      });
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/providers/:name/release',
    scope: 'operate',
    summary: 'Let a provider in again',
    description:
      'It is tested with a trickle of mail first. What it tells from now on is believed; what it told meanwhile is not.',
    params: nameParams,
    body: z.strictObject({ reason: reasonField }),
    answers: { 200: releaseView },
    errors: ['not_found', 'stream_not_allowed', 'provider_quarantined', 'needs_force', 'validation_error'],
    async handler(request, reply) {
      const provider = nameOf(request);
      const { reason } = request.body as { reason: string };
      const came = await release(operate, actorOf(request), provider, reason);
      if (came.kind !== 'done') throw notDone(came);
      await parts.incidentFor(provider).catch(() => null);
      return reply.send({ object: 'release', provider, ...untoldOf(came) });
    },
  });

  function nameOf(request: FastifyRequest): string {
    const { name } = request.params as z.output<typeof nameParams>;
    const names = Object.keys(operate.providers);
    if (!names.includes(name))
      throw new ApiError('not_found', `There is no provider of this name. There are: ${names.join(', ')}.`);
    // It concerns every stream.
    mayMove(callerOf(request), null);
    return name;
  }
}
