// /v1/alerts/test and /v1/dead-letters: do the sinks work, and what has nobody taken?
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { DeadLetters } from '../alerts/dead-letters.ts';
import type { TestResult } from '../alerts/test-sinks.ts';
import type { Audit } from '../store/audit.ts';
import { actorOf } from './auth.ts';
import { ApiError } from './errors.ts';
import { documented } from './routes.ts';

/** What the routes need. */
export interface AlertRouteParts {
  /** The names of the sinks in the settings. */
  readonly sinks: readonly string[];
  /** And those of the applications. */
  readonly applications: readonly string[];
  /** Tries these sinks, and waits for what comes of it. */
  readonly test: (sinks: readonly string[]) => Promise<TestResult[]>;
  readonly deadLetters: DeadLetters;
  readonly audit: Audit;
}

const testBody = z.strictObject({
  sink: z.string().optional().meta({ description: 'Its name in the settings; all of them when absent.' }),
});
const testView = z
  .object({
    object: z.literal('list'),
    data: z.array(
      z.object({
        sink: z.string(),
        type: z.string(),
        ok: z.boolean(),
        ms: z.number(),
        detail: z.string().meta({ description: 'Why it failed.' }),
      }),
    ),
  })
  .meta({ id: 'AlertTest', description: 'What came of a test alert at each sink.' });
const deadLetterView = z
  .object({
    object: z.literal('dead_letter'),
    id: z.string().meta({ description: 'alr_…, or em_… for the events of a mail.' }),
    kind: z.enum(['alert', 'event']),
    to: z.string().meta({ description: 'The sink, or the application.' }),
    given_up_at: z.string().meta({ format: 'date-time' }),
    detail: z.string().meta({ description: 'What the last try came to.' }),
    about: z.string(),
  })
  .meta({ id: 'DeadLetter', description: 'What nobody took within a day, or what was refused for good.' });
const listQuery = z.strictObject({
  to: z.string().optional().meta({ description: 'The name of a sink or an application.' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});
const replayBody = z.strictObject({
  to: z.string().optional().meta({ description: 'The name of a sink or an application; all of them when absent.' }),
  id: z.string().optional().meta({ description: 'One of them; all when absent.' }),
});

/** Adds them. */
export function alertRoutes(app: FastifyInstance, parts: AlertRouteParts): void {
  const routes = documented(app);
  const { sinks, applications, deadLetters, audit } = parts;
  const known = (name: string | undefined, among: readonly string[]): string | null => {
    if (name === undefined || among.includes(name)) return name ?? null;
    throw new ApiError('not_found', `There is none of that name. There are: ${among.join(', ') || 'none at all'}.`);
  };

  routes.route({
    method: 'POST',
    url: '/v1/alerts/test',
    scope: 'operate',
    summary: 'Send a test alert through each sink',
    description:
      'At once and past the lines, marked as a test; where an alert has a life of its own it is resolved again.',
    body: testBody,
    answers: { 200: testView },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { sink } = request.body as z.output<typeof testBody>;
      const one = known(sink, sinks);
      const results = await parts.test(one === null ? sinks : [one]);
      return reply.send({ object: 'list', data: results });
    },
  });

  routes.route({
    method: 'GET',
    url: '/v1/dead-letters',
    scope: 'operate',
    summary: 'Alerts and events that nobody took, newest first',
    query: listQuery,
    answers: { 200: z.object({ object: z.literal('list'), data: z.array(deadLetterView) }) },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { to, limit } = request.query as z.output<typeof listQuery>;
      const found = await deadLetters.list(known(to, [...sinks, ...applications]), limit);
      const data = found.map(({ at, ...rest }) => ({
        object: 'dead_letter',
        ...rest,
        given_up_at: new Date(at).toISOString(),
      }));
      return reply.send({ object: 'list', data });
    },
  });

  routes.route({
    method: 'POST',
    url: '/v1/dead-letters/replay',
    scope: 'operate',
    summary: 'Send dead letters again',
    description: 'Each with the id it had. An alert that was over meanwhile is told all the same.',
    body: replayBody,
    answers: { 200: z.object({ object: z.literal('replay'), replayed: z.number() }) },
    errors: ['not_found', 'validation_error'],
    async handler(request, reply) {
      const { to, id = null } = request.body as z.output<typeof replayBody>;
      const where = known(to, [...sinks, ...applications]);
      await audit.write(actorOf(request), {
        ...{ what: 'dead_letters.replay', target: id ?? where ?? 'all', why: '' },
        before: null,
        after: { to: where, id },
      });
      return reply.send({ object: 'replay', replayed: await deadLetters.replay(where, id) });
    },
  });
}
