// /webhooks/{provider}: what the providers tell us, with the raw body kept until it has been verified.
import type { FastifyInstance } from 'fastify';
import type { Provider } from '../../providers/provider.ts';
import type { IngressStore } from '../store/ingress.ts';
import { type ReceiveParts, receive } from '../webhooks/receive.ts';
import { ApiError } from './errors.ts';
import { linkedTo } from './tracing.ts';

/** What the route needs. */
export interface WebhookRouteParts {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly receive: ReceiveParts;
  /** A nonce of our own has come in from outside. */
  readonly arrived: IngressStore['arrived'];
  readonly clock: () => number;
}

// A thousand events in one request, with room to spare; providers send less.
const largestBody = 8_388_608;

const ownBody = /^\{"nonce":"([\w-]{43})"\}$/;

/** Adds `POST` and `HEAD /webhooks/:provider`, and `POST /webhooks/_self`. */
export async function webhookRoutes(app: FastifyInstance, parts: WebhookRouteParts): Promise<void> {
  // In a scope of its own: every content type is welcome here, and none is parsed.
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: largestBody }, (_request, body, done) =>
      done(null, body),
    );
    scope.route({
      method: ['POST', 'HEAD'],
      url: '/webhooks/:provider',
      bodyLimit: largestBody,
      exposeHeadRoute: false,
      schema: {
        summary: 'What a provider reports',
        description:
          'Verified by the provider’s own signature or credentials; answered 2xx once everything in it is stored. A repeat changes nothing.',
      },
      async handler(request, reply) {
        const { provider: name } = request.params as { provider: string };
        const provider = parts.providers.get(name);
        if (!provider?.webhook) throw new ApiError('not_found', 'There is no provider of this name that has webhooks.');
        const headers = Object.fromEntries(
          Object.entries(request.headers).map(([header, value]) => [header, [value].flat().join(', ')]),
        );
        const { status, body } = await receive(linkedTo(request, parts.receive), name, provider, {
          method: request.method,
          url: request.url,
          headers,
          body: (request.body as Buffer | undefined) ?? Buffer.alloc(0),
          receivedAt: parts.clock(),
        });
        return reply.code(status).type('text/plain; charset=utf-8').serializer(String).send(body);
      },
    });
    // No name of a provider begins so. Open to all: a stranger's post finds no nonce to mark, and is not told so.
    scope.post('/webhooks/_self', {
      bodyLimit: 256,
      schema: {
        summary: 'What the service posts to itself',
        description:
          'Through `server.public_url`, to know that webhooks reach it. Answered 204 whatever it says; anything but the service’s own changes nothing.',
      },
      async handler(request, reply) {
        const nonce = ownBody.exec(String(request.body))?.[1];
        if (nonce !== undefined) await parts.arrived(nonce);
        return reply.code(204).send();
      },
    });
  });
}
