// For machines that watch: liveness, readiness, metrics.

import { timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import { ApiError } from './errors.ts';
import { answersFor, documented, everywhere } from './routes.ts';

/** What the routes for machines that watch are made of. */
export interface OpsParts {
  /** Why this process is not ready; empty when it is. `notes` are worth knowing and no obstacle. */
  readonly readiness: () => { readonly faults: readonly string[]; readonly notes: readonly string[] };
  /** Why this process should be restarted; empty while it lives. */
  readonly liveness: () => readonly string[];
  readonly registry: Registry;
  readonly metricsToken: string | null;
}

const statusView = z.object({
  status: z.enum(['ok', 'unavailable']),
  reasons: z.array(z.string()),
  notes: z.array(z.string()),
});

/** Adds `/health/live`, `/health/ready` and `/metrics` to `app`. */
export function opsRoutes(app: FastifyInstance, parts: OpsParts): void {
  const routes = documented(app);
  routes.route({
    method: 'GET',
    url: '/health/live',
    scope: null,
    summary: 'Is the process alive?',
    answers: { 200: statusView, 503: statusView },
    errors: [],
    async handler(_request, reply) {
      const reasons = parts.liveness();
      return reply
        .code(reasons.length === 0 ? 200 : 503)
        .send({ status: reasons.length === 0 ? 'ok' : 'unavailable', reasons, notes: [] });
    },
  });
  routes.route({
    method: 'GET',
    url: '/health/ready',
    scope: null,
    summary: 'Can it take mail and send it?',
    description: 'The store can be written, the workers are attached, and the service is not shutting down.',
    answers: { 200: statusView, 503: statusView },
    errors: [],
    async handler(_request, reply) {
      const { faults, notes } = parts.readiness();
      return reply
        .code(faults.length === 0 ? 200 : 503)
        .send({ status: faults.length === 0 ? 'ok' : 'unavailable', reasons: faults, notes });
    },
  });
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics for Prometheus',
        description: 'Needs server.metrics_token as bearer token where that is set.',
        response: {
          200: { description: 'Done.', content: { 'text/plain': { schema: z.string() } } },
          ...answersFor([...everywhere, 'invalid_api_key']),
        },
      },
    },
    async (request, reply) => {
      if (parts.metricsToken !== null && !sameToken(request.headers.authorization, parts.metricsToken)) {
        throw new ApiError('invalid_api_key', 'Send the token of server.metrics_token as bearer token.');
      }
      return reply
        .type(parts.registry.contentType)
        .serializer(String)
        .send(await parts.registry.metrics());
    },
  );
}

function sameToken(header: string | undefined, token: string): boolean {
  const given = Buffer.from(header ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
