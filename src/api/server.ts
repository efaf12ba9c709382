// The HTTP server as a value: routes, validation, errors, documents. It listens only when told to.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import type { OperateParts } from '../operate/parts.ts';
import type { ApiKeys } from '../store/api-keys.ts';
import type { Audit } from '../store/audit.ts';
import { isAway } from '../store/away.ts';
import type { Traces } from '../tracing/traces.ts';
import { type AlertRouteParts, alertRoutes } from './alerts.ts';
import { auditRoutes } from './audit.ts';
import { addAuth } from './auth.ts';
import { answerClientError } from './client-errors.ts';
import { type EmailParts, emailRoutes } from './emails.ts';
import { ApiError, problem } from './errors.ts';
import { type ExposureRouteParts, exposureRoutes } from './exposure.ts';
import { failoverRoutes } from './failover.ts';
import { type IncidentRouteParts, incidentRoutes } from './incidents.ts';
import { keyRoutes } from './keys.ts';
import { type OpsParts, opsRoutes } from './ops.ts';
import { type ProviderRouteParts, providerRoutes } from './providers.ts';
import { type QuarantineRouteParts, quarantineRoutes } from './quarantine.ts';
import { type RescueRouteParts, rescueRoutes } from './rescue.ts';
import { type ShardRouteParts, shardRoutes } from './shards.ts';
import { type SuppressionRouteParts, suppressionRoutes } from './suppressions.ts';
import { summary } from './take.ts';
import { addTracing } from './tracing.ts';
import { type WebhookRouteParts, webhookRoutes } from './webhooks.ts';

/** What the API is made of. */
export interface ApiParts {
  readonly apiKeys: ApiKeys;
  /** Is there an admin key in the environment? Then no key in the store is the last one. */
  readonly envKey: boolean;
  readonly streams: readonly string[];
  readonly emails: EmailParts;
  readonly providers: ProviderRouteParts;
  readonly exposure: ExposureRouteParts;
  readonly suppressions: SuppressionRouteParts;
  readonly audit: Audit;
  readonly operate: OperateParts;
  readonly quarantine: QuarantineRouteParts;
  readonly incidents: IncidentRouteParts;
  readonly rescue: RescueRouteParts;
  readonly webhooks: WebhookRouteParts;
  readonly alerts: AlertRouteParts;
  readonly shards: ShardRouteParts;
}

/** What the server is made of. Durations in ms, sizes in bytes. */
export interface ServerParts {
  readonly settings: {
    readonly body_limit: number;
    readonly request_timeout: number;
    readonly trust_proxy: readonly string[];
  };
  /** Null in a process without the role `api`: it serves `ops` alone. */
  readonly api: ApiParts | null;
  readonly ops: OpsParts;
  readonly version: string;
  readonly log: Logger;
  readonly newId: () => string;
  readonly traces: Traces;
  readonly observe: (route: string, status: number, tookMs: number) => void;
}

const closeGraceMs = 5_000;

/** The largest body on the wire for mail of `limit` bytes: attachments come in base64, a third larger, and JSON adds a little. */
export function wireLimit(limit: number): number {
  return Math.ceil((limit * 4) / 3) + 65_536;
}

/** Builds the server, ready to listen or to be injected into. */
export async function buildServer(parts: ServerParts): Promise<FastifyInstance> {
  const { settings, log } = parts;
  const app = fastify({
    bodyLimit: wireLimit(settings.body_limit),
    // Not fastify's own requestTimeout: set after the server was made it is shorter than Node's time for headers, and then Node 20
    // polices neither. And Node looks for slow requests every 30 s only, unless told.
    http: {
      requestTimeout: settings.request_timeout,
      connectionsCheckingInterval: Math.min(Math.ceil(settings.request_timeout / 4), 30_000),
    },
    requestTimeout: settings.request_timeout,
    connectionTimeout: settings.request_timeout * 2,
    keepAliveTimeout: 72_000,
    trustProxy: settings.trust_proxy.length > 0 ? [...settings.trust_proxy] : false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    genReqId: parts.newId,
    logger: false,
    forceCloseConnections: 'idle',
    // Ours says it in the shape of all errors, and when to come back.
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => answerClientError(error, socket, parts.newId()),
    // A path that cannot be decoded, or an id longer than any of ours: no route, and so no hook, has seen it.
    frameworkErrors(error, request, reply) {
      reply.header('X-Request-Id', request.id);
      const unreadable = error.code === 'FST_ERR_BAD_URL';
      refuse(
        reply,
        unreadable
          ? new ApiError('bad_request', 'The path has a % that begins no UTF-8 character: write a bare % as %25.')
          : new ApiError('not_found', 'There is no such route; see /docs.'),
      );
    },
    // An address of 254 characters, percent-encoded.
    routerOptions: { maxParamLength: 1_000 },
  });
  app.setValidatorCompiler((route) => {
    // A send is checked by `toDraft`, which names more faults, and in better words, than a schema alone.
    if (route.httpPart === 'body' && route.url.startsWith('/v1/emails') && route.method === 'POST')
      return (value: unknown) => ({ value });
    return validatorCompiler(route as Parameters<typeof validatorCompiler>[0]);
  });
  // An answer is sent as it is: a slip in a response schema must not turn a durable acceptance into an error.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));

  addTracing(app, parts.traces);
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
    // Nobody who reads or writes too slowly holds up the stop: what is accepted is on disk.
    setTimeout(() => app.server.closeAllConnections(), closeGraceMs).unref();
  });
  app.addHook('onRequest', async (request) => {
    if (closing && !request.url.startsWith('/health/')) {
      throw new ApiError('shutting_down', 'The service is shutting down. Nothing was accepted; try again.', {
        retryAfterSeconds: 2,
      });
    }
  });

  const parse = app.getDefaultJsonParser('error', 'error');
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    let text: string;
    try {
      text = utf8.decode(body as Buffer);
    } catch {
      done(new ApiError('malformed_json', 'The body is not UTF-8.'));
      return;
    }
    // Many clients name a type even where there is nothing to send.
    if (text === '' && request.routeOptions.schema?.body === undefined) {
      done(null, undefined);
      return;
    }
    parse(request, text, (error, value) => {
      if (error)
        done(
          new ApiError(
            'malformed_json',
            text.trim() === ''
              ? 'The body is empty.'
              : 'The body is not valid JSON, or has a key that no field has and none may have, such as __proto__.',
          ),
        );
      else done(null, value);
    });
  });

  app.setErrorHandler((error: FastifyError | ApiError, request, reply) => {
    const known = error instanceof ApiError ? error : translate(error);
    if (known.type === 'internal_error')
      log.error(
        { request: request.id, route: request.routeOptions.url, error: error.message, stack: error.stack },
        'a request failed',
      );
    if (known.type === 'missing_api_key' || known.type === 'invalid_api_key')
      reply.header('WWW-Authenticate', 'Bearer');
    return refuse(reply, known);
  });
  app.setNotFoundHandler(() => {
    throw new ApiError('not_found', 'There is no such route; see /docs.');
  });

  app.addHook('onSend', async (request, reply) => {
    reply.header('X-Request-Id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    parts.observe(route, reply.statusCode, reply.elapsedTime);
    if (route.startsWith('/health') || route === '/metrics') return;
    log.info(
      {
        request: request.id,
        method: request.method,
        route,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        ip: request.ip,
      },
      'request',
    );
  });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Mailover',
        version: parts.version,
        description: 'Send transactional mail through several providers, and watch it move when one stops delivering.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { docExpansion: 'list' } });
  const { api } = parts;
  if (api) addAuth(app, api.apiKeys);
  await app.register(async (scope) => {
    opsRoutes(scope, parts.ops);
    if (!api) return;
    emailRoutes(scope, api.emails);
    providerRoutes(scope, api.providers);
    exposureRoutes(scope, api.exposure);
    suppressionRoutes(scope, api.suppressions);
    auditRoutes(scope, { audit: api.audit });
    keyRoutes(scope, api);
    failoverRoutes(scope, api.operate);
    quarantineRoutes(scope, api.operate, api.quarantine);
    rescueRoutes(scope, api.rescue);
    incidentRoutes(scope, api.incidents);
    alertRoutes(scope, api.alerts);
    shardRoutes(scope, api.shards);
    await webhookRoutes(scope, api.webhooks);
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.ready();
  return app;
}

function refuse(reply: FastifyReply, error: ApiError) {
  if (error.retryAfterSeconds !== null) reply.header('Retry-After', String(error.retryAfterSeconds));
  const view = problem(error);
  return reply.code(view.status).type('application/problem+json').serializer(JSON.stringify).send(view);
}

function translate(error: FastifyError): ApiError {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const faults = error.validation.map((fault) => ({
      path: fault.instancePath.replace(/^\//, '').replace(/\//g, '.'),
      message: fault.message ?? 'is not valid',
    }));
    return new ApiError('validation_error', summary(faults), { faults });
  }
  if (isAway(error)) {
    return new ApiError(
      'store_unavailable',
      'The store cannot be reached or written. Nothing is known to be accepted; try again with the same Idempotency-Key.',
      { retryAfterSeconds: 2 },
    );
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError('payload_too_large', 'The body is larger than server.body_limit allows.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_TYPE':
      return new ApiError('unsupported_media_type', 'Send the body as application/json.');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new ApiError('malformed_json', 'The body is empty.');
    default:
      break;
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return new ApiError('bad_request', error.message);
  return new ApiError('internal_error', 'The service has failed; its log says why, under this X-Request-Id.');
}
