// Who may do what: the bearer key of a request, checked before its body is read.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiKeys, Principal, Scope } from '../store/api-keys.ts';
import type { Actor } from '../store/audit.ts';
import { ApiError } from './errors.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope a caller needs; a route without one is open to all. */
    scope?: Scope;
  }
}

const principals = new WeakMap<FastifyRequest, Principal>();

/** The caller of a route that has a scope. */
export function callerOf(request: FastifyRequest): Principal {
  const principal = principals.get(request);
  if (!principal) throw new Error(`${request.routeOptions.url} asks for its caller but has no scope`);
  return principal;
}

/** The caller as the audit knows it. */
export function actorOf(request: FastifyRequest): Actor {
  const { id, name } = callerOf(request);
  return { id, name, from: request.ip };
}

/** Checks the key and scope of every request to a route that declares a scope, before its body is read. */
export function addAuth(app: FastifyInstance, apiKeys: ApiKeys): void {
  app.addHook('onRequest', async (request) => {
    const { scope } = request.routeOptions.config;
    if (!scope) return;
    const header = request.headers.authorization;
    const key = /^Bearer +(\S{1,512})$/i.exec(header ?? '')?.[1];
    if (!key) throw new ApiError('missing_api_key', 'Send the header “Authorization: Bearer <your key>”.');
    const principal = await apiKeys.identify(key);
    if (!principal)
      throw new ApiError(
        'invalid_api_key',
        'The key is not known: it was mistyped, revoked, or belongs to another installation.',
      );
    if (!principal.scopes.includes(scope) && !principal.scopes.includes('admin')) {
      throw new ApiError(
        'insufficient_scope',
        `This needs the scope “${scope}”; the key “${principal.name}” has ${principal.scopes.join(', ')}.`,
      );
    }
    principals.set(request, principal);
  });
}
