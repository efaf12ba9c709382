// The HTTP server as a value: routes, validation, errors, documents. It listens only when told to.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import type { Logger } from 'pino';
import { isAway } from '../delivery/patience.ts';
import type { ApiKeys } from '../store/api-keys.ts';
import { addAuth } from './auth.ts';
import { type EmailParts, emailRoutes, summary } from './emails.ts';
import { ApiError, problem } from './errors.ts';
import { type OpsParts, opsRoutes } from './ops.ts';
import { type ProviderRouteParts, providerRoutes } from './providers.ts';

export interface ServerParts {
  readonly settings: {
    readonly body_limit: number;
    readonly request_timeout: number;
    readonly trust_proxy: readonly string[];
  };
  readonly apiKeys: ApiKeys;
  readonly emails: EmailParts;
  readonly providers: ProviderRouteParts;
  readonly ops: OpsParts;
  readonly version: string;
  readonly log: Logger;
  readonly newId: () => string;
  readonly observe: (route: string, status: number, tookMs: number) => void;
}

/** The largest body on the wire for mail of `limit` bytes: attachments come in base64, a third larger, and JSON adds a little. */
export function wireLimit(limit: number): number {
  return Math.ceil((limit * 4) / 3) + 65_536;
}

export async function buildServer(parts: ServerParts): Promise<FastifyInstance> {
  const { settings, log } = parts;
  const app = fastify({
    bodyLimit: wireLimit(settings.body_limit),
    requestTimeout: settings.request_timeout,
    connectionTimeout: settings.request_timeout * 2,
    keepAliveTimeout: 72_000,
    trustProxy: settings.trust_proxy.length > 0 ? [...settings.trust_proxy] : false,
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    genReqId: parts.newId,
    logger: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 200 },
  });
  app.setValidatorCompiler((route) => {
    // A send is checked by `toDraft`, which names more faults, and in better words, than a schema alone.
    if (route.httpPart === 'body' && route.url.startsWith('/v1/emails') && route.method === 'POST')
      return (value: unknown) => ({ value });
    return validatorCompiler(route as Parameters<typeof validatorCompiler>[0]);
  });
  // An answer is sent as it is: a slip in a response schema must not turn a durable acceptance into an error.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));

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
    parse(request, text, (error, value) => {
      if (error)
        done(
          new ApiError(
            'malformed_json',
            text === '' ? 'The body is empty.' : `The body is not JSON that can be taken: ${error.message}.`,
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
    if (known.retryAfterSeconds !== null) reply.header('Retry-After', String(known.retryAfterSeconds));
    const view = problem(known);
    return reply.code(view.status).type('application/problem+json').serializer(JSON.stringify).send(view);
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
  addAuth(app, parts.apiKeys);
  await app.register(async (scope) => {
    emailRoutes(scope, parts.emails);
    providerRoutes(scope, parts.providers);
    opsRoutes(scope, parts.ops);
  });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.ready();
  return app;
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
