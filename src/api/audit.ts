// /v1/audit: the record of who changed what, and whether it is as it was written.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Audit, AuditEntry } from '../store/audit.ts';
import { documented } from './routes.ts';

const time = z.string().meta({ format: 'date-time' });
const facts = z.record(z.string(), z.unknown()).nullable();
const entryView = z
  .object({
    id: z.string(),
    number: z.number().meta({ description: 'Counts from 1 without a gap.' }),
    at: time,
    who: z.string().meta({ description: 'The id of the API key, or `break-glass` for somebody on the host.' }),
    who_name: z.string(),
    from: z.string().meta({ description: 'An IP address, or the name of the host.' }),
    what: z.string(),
    target: z.string(),
    before: facts,
    after: facts,
    why: z.string(),
  })
  .meta({ id: 'AuditEntry', description: 'One change by a person or a key.' });
const reportView = z
  .object({
    object: z.literal('audit_report'),
    ok: z.boolean(),
    count: z.number().meta({ description: 'So many entries were found to be as they were written.' }),
    first: z.number().nullable().meta({ description: 'The number of the oldest one that is kept.' }),
    last: z.number().nullable().meta({ description: 'The number of the newest one.' }),
    link: z.string().nullable().meta({ description: 'Of the newest one; the log has it beside its number.' }),
    broken: z
      .object({ number: z.number().nullable(), detail: z.string() })
      .nullable()
      .meta({ description: 'The first place at which the chain does not hold.' }),
  })
  .meta({ id: 'AuditReport', description: 'Whether the audit is as it was written.' });
const instant = z.iso.datetime({ offset: true });
const listQuery = z.strictObject({
  what: z.string().max(100).optional().meta({ description: 'Such as `failover.pin`.' }),
  target: z.string().max(1_000).optional(),
  who: z.string().max(100).optional().meta({ description: 'The id of a key.' }),
  since: instant.optional(),
  until: instant.optional().meta({ description: 'Excluded.' }),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z
    .string()
    .regex(/^\d{1,20}-\d{1,20}$/, 'is not a cursor: pass next_cursor as it was given')
    .optional(),
});

/** Adds the routes of the audit. */
export function auditRoutes(app: FastifyInstance, { audit }: { readonly audit: Audit }): void {
  const routes = documented(app);

  routes.route({
    method: 'GET',
    url: '/v1/audit',
    scope: 'admin',
    summary: 'Who changed what, newest first',
    description: 'An entry is written with its change or before it, so that no change is missing here.',
    query: listQuery,
    answers: {
      200: z.object({ object: z.literal('list'), data: z.array(entryView), next_cursor: z.string().nullable() }),
    },
    errors: ['validation_error'],
    async handler(request, reply) {
      const { since, until, ...rest } = request.query as z.output<typeof listQuery>;
      const { what, target, who, limit, cursor } = rest;
      const found = await audit.list({
        limit,
        ...(what !== undefined && { what }),
        ...(target !== undefined && { target }),
        ...(who !== undefined && { who }),
        ...(cursor !== undefined && { cursor }),
        ...(since !== undefined && { since: Date.parse(since) }),
        ...(until !== undefined && { until: Date.parse(until) }),
      });
      return reply.send({ object: 'list', data: found.entries.map(view), next_cursor: found.cursor });
    },
  });

  routes.route({
    method: 'GET',
    url: '/v1/audit/verify',
    scope: 'admin',
    summary: 'Is the audit as it was written?',
    description:
      'Recomputes the whole chain. An entry that was changed, removed or moved is found, and a missing end, unless the head was set back with it: then only the log knows of the newer numbers.',
    answers: { 200: reportView },
    errors: [],
    async handler(_request, reply) {
      return reply.send({ object: 'audit_report', ...(await audit.verify()) });
    },
  });
}

function view({ actor, at, before, after, ...entry }: AuditEntry): z.output<typeof entryView> {
  const { id, number, what, target, why } = entry;
  return {
    ...{ id, number, at: new Date(at).toISOString() },
    ...{ who: actor.id, who_name: actor.name, from: actor.from },
    ...{ what, target, before: before && { ...before }, after: after && { ...after }, why },
  };
}
