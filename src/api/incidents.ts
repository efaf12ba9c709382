// /v1/incidents: what went wrong with which provider, what was done about it, and who has taken note.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type Incident, incidentCauses, milestones } from '../core/incident.ts';
import type { Audit } from '../store/audit.ts';
import type { IncidentCounts, IncidentStore } from '../store/incidents.ts';
import { actorOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';

/** How far the rescue of an incident's mail is, and how much of it there is to rescue. */
export interface RescueProgress {
  readonly state: 'none' | 'running' | 'awaiting_approval' | 'done';
  readonly candidates: number;
}

/** What the routes need. */
export interface IncidentRouteParts {
  readonly incidents: IncidentStore;
  readonly audit: Audit;
  /** Null where an incident has nothing to do with a rescue. */
  readonly rescueOf?: (incident: Incident) => Promise<RescueProgress | null>;
}

const time = z.string().meta({ format: 'date-time' });
const rescueStates = ['none', 'running', 'awaiting_approval', 'done'] as const satisfies RescueProgress['state'][];
const incidentView = z
  .object({
    object: z.literal('incident'),
    id: z.string(),
    provider: z.string().nullable().meta({ description: 'Null where no provider of a stream carries mail.' }),
    stream: z
      .string()
      .nullable()
      .meta({ description: 'The stream without a provider; null where one provider is to blame.' }),
    cause: z.enum(incidentCauses),
    state: z.enum(['open', 'closed']),
    opened_at: time,
    closed_at: time.nullable(),
    silent_since: time.nullable().meta({ description: 'Mail that the provider took from then on is missing.' }),
    acknowledged_at: time.nullable(),
    acknowledged_by: z.string().nullable().meta({ description: 'The API key that acknowledged it.' }),
    suggestion: z
      .string()
      .nullable()
      .meta({ description: 'What would have been done for streams that only want suggestions.' }),
    counts: z
      .object({ moved: z.number(), rescued: z.number(), expired: z.number(), held: z.number(), stranded: z.number() })
      .meta({
        description: 'Mail that went elsewhere, was sent again, came too late, waits for an operator, is lost.',
      }),
    rescue: z.object({ state: z.enum(rescueStates), candidates: z.number() }).nullable(),
    timeline: z
      .array(z.object({ at: time, what: z.enum(milestones), text: z.string() }))
      .meta({ description: 'Oldest first.' }),
    evidence: z.array(z.string()).meta({ description: 'What spoke against the provider, oldest first.' }),
  })
  .meta({ id: 'Incident', description: 'One cause of trouble with one provider, from beginning to end.' });

const listQuery = z.strictObject({
  state: z.enum(['open', 'closed']).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z
    .string()
    .regex(/^inc_[0-9A-HJKMNP-TV-Z]{26}$/, 'is not a cursor: pass next_cursor as it was given')
    .optional(),
});
const idParams = z.object({ id: z.string().meta({ description: 'inc_…' }) });

/** Adds the routes of incidents. */
export function incidentRoutes(app: FastifyInstance, parts: IncidentRouteParts): void {
  const routes = documented(app);
  const { incidents, audit, rescueOf = async () => null } = parts;

  async function views(found: readonly Incident[]): Promise<z.output<typeof incidentView>[]> {
    const [counts, rescues] = await Promise.all([
      incidents.counts(found.map(({ id }) => id)),
      Promise.all(found.map(rescueOf)),
    ]);
    return found.map((incident, index) => view(incident, counts[index]!, rescues[index] ?? null));
  }

  routes.route({
    method: 'GET',
    url: '/v1/incidents',
    scope: 'read',
    summary: 'List the incidents, newest first',
    query: listQuery,
    answers: {
      200: z.object({ object: z.literal('list'), data: z.array(incidentView), next_cursor: z.string().nullable() }),
    },
    errors: ['validation_error'],
    async handler(request, reply) {
      const { state, limit, cursor } = request.query as z.output<typeof listQuery>;
      const page = await incidents.list({ limit, ...(state && { state }), ...(cursor && { cursor }) });
      return reply.send({ object: 'list', data: await views(page.incidents), next_cursor: page.cursor });
    },
  });

  routes.route({
    method: 'GET',
    url: '/v1/incidents/:id',
    scope: 'read',
    summary: 'Show an incident',
    params: idParams,
    answers: { 200: incidentView },
    errors: ['not_found'],
    async handler(request, reply) {
      const { id } = request.params as z.output<typeof idParams>;
      const [shown] = await views([(await incidents.read(id)) ?? unknown()]);
      return reply.send(shown);
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/incidents/:id/acknowledge',
    scope: 'operate',
    summary: 'Say that somebody has taken note of an incident',
    description: 'Changes nothing else about it. A second time changes nothing at all.',
    params: idParams,
    answers: { 200: incidentView },
    errors: ['not_found'],
    async handler(request, reply) {
      const { id } = request.params as z.output<typeof idParams>;
      const actor = actorOf(request);
      const before = (await incidents.read(id)) ?? unknown();
      if (!before.acknowledged) {
        const why = `${before.cause} of ${before.provider ?? before.stream}`;
        await audit.write(actor, {
          ...{ what: 'incident.acknowledge', target: id, why },
          ...{ before: { acknowledged_by: null }, after: { acknowledged_by: actor.id } },
        });
      }
      const { incident } = (await incidents.acknowledge(id, actor.id)) ?? unknown();
      const [shown] = await views([incident]);
      return reply.send(shown);
    },
  });
}

function unknown(): never {
  throw new ApiError('not_found', 'There is no incident with this id, or it is older than retention.incidents.');
}

function view(
  incident: Incident,
  counts: IncidentCounts,
  rescue: RescueProgress | null,
): z.output<typeof incidentView> {
  const { id, provider, stream, cause, state, suggestion, timeline, evidence, acknowledged } = incident;
  const { moved, rescued, expired, held, stranded } = counts;
  return {
    object: 'incident',
    id,
    provider,
    stream,
    cause,
    state,
    opened_at: iso(incident.openedAt),
    closed_at: isoOrNull(incident.closedAt),
    silent_since: isoOrNull(incident.silentSince),
    acknowledged_at: isoOrNull(acknowledged?.at ?? null),
    acknowledged_by: acknowledged?.by ?? null,
    suggestion,
    counts: { moved, rescued, expired, held, stranded },
    rescue,
    timeline: timeline.map(({ at, what, text }) => ({ at: iso(at), what, text })),
    evidence: [...evidence],
  };
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
