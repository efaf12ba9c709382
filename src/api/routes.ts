// How a route is declared: once, for the server, the validation and the OpenAPI together.
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { z } from 'zod';
import type { Scope } from '../store/api-keys.ts';
import { type ErrorName, errorTypes } from './errors.ts';
import { problemView } from './views.ts';

/** One route: what it takes, what it answers, who may call it. */
export interface Declaration {
  readonly method: HTTPMethods;
  readonly url: string;
  /** Needed by the caller; null for everybody. */
  readonly scope: Scope | null;
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: z.ZodType;
  /** Successful answers by status. */
  readonly answers: Readonly<Record<number, z.ZodType>>;
  /** Answers in other forms than JSON, by status and content type. */
  readonly formats?: Readonly<Record<number, Readonly<Record<string, z.ZodType>>>>;
  /** What can go wrong, beside what every route with a scope, or with a body, can say. */
  readonly errors: readonly ErrorName[];
  handler(request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
}

/** Where routes are declared. */
export interface Routes {
  route(declaration: Declaration): void;
}

/** What can go wrong with any request at all. */
export const everywhere: readonly ErrorName[] = [
  'bad_request',
  'request_timeout',
  'headers_too_large',
  'internal_error',
];
const withScope: readonly ErrorName[] = [
  'missing_api_key',
  'invalid_api_key',
  'insufficient_scope',
  'store_unavailable',
  'shutting_down',
];
const withBody: readonly ErrorName[] = ['malformed_json', 'payload_too_large', 'unsupported_media_type'];

/** The answers that these errors are, by status, for a route's `response`. */
export function answersFor(names: readonly ErrorName[]) {
  const byStatus = new Map<number, ErrorName[]>();
  for (const name of names)
    byStatus.set(errorTypes[name].status, [...(byStatus.get(errorTypes[name].status) ?? []), name]);
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      { description: of.join(', '), content: { 'application/problem+json': { schema: problemView } } },
    ]),
  );
}

/** Declares routes on `app`: what they take is validated by the same schemas that describe them. */
export function documented(app: FastifyInstance): Routes {
  return {
    route({ scope, summary, description, params, query, headers, body, answers, formats, errors, ...rest }) {
      const names = [
        ...new Set([...everywhere, ...errors, ...(scope ? withScope : []), ...(rest.method === 'GET' ? [] : withBody)]),
      ];
      const forms = (status: string) => {
        const json = answers[Number(status)];
        return { ...(json && { 'application/json': json }), ...formats?.[Number(status)] };
      };
      const good = Object.fromEntries(
        Object.keys({ ...answers, ...formats }).map((status) => [
          status,
          {
            description: 'Done.',
            content: Object.fromEntries(Object.entries(forms(status)).map(([type, schema]) => [type, { schema }])),
          },
        ]),
      );
      app.route({
        ...rest,
        schema: {
          summary,
          ...(description !== undefined && { description }),
          ...(scope && { security: [{ apiKey: [] }] }),
          ...(params && { params }),
          ...(query && { querystring: query }),
          ...(headers && { headers }),
          ...(body && { body }),
          response: { ...good, ...answersFor(names) },
        },
        config: scope ? { scope } : {},
      });
    },
  };
}
