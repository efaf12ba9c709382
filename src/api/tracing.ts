// Requests as spans: what comes with a traceparent goes on with it, and hands it on to the mail it brings.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ProviderEvent } from '../../providers/provider.ts';
import type { Message } from '../store/messages.ts';
import type { Span, Traces } from '../tracing/traces.ts';
import type { ReceiveParts } from '../webhooks/receive.ts';

const spans = new WeakMap<FastifyRequest, { readonly span: Span; readonly traces: Traces }>();

/** Makes a span of every request to a route with a key, or to one of webhooks. */
export function addTracing(app: FastifyInstance, traces: Traces): void {
  if (!traces.on) return;
  app.addHook('onRequest', async (request) => {
    const { url: route, config } = request.routeOptions;
    if (!config.scope && !route?.startsWith('/webhooks/')) return;
    const { traceparent } = request.headers;
    const span = traces.start({
      name: `${request.method} ${route}`,
      kind: 'server',
      ...(typeof traceparent === 'string' && { parent: traceparent }),
      attributes: { 'http.request.method': request.method, 'http.route': route ?? '', 'mailover.request': request.id },
    });
    spans.set(request, { span, traces });
  });
  app.addHook('onResponse', async (request, reply) => {
    const status = reply.statusCode;
    spans.get(request)?.span.end(status >= 500 ? String(status) : null, { 'http.response.status_code': status });
  });
}

/** What mail that came with this request is to remember; undefined where it is not traced. */
export function traceOf(request: FastifyRequest): string | undefined {
  return spans.get(request)?.span.traceparent;
}

/** The same parts, in which each event that is recorded becomes a span of its message's trace, with a link to this request. */
export function linkedTo(request: FastifyRequest, parts: ReceiveParts): ReceiveParts {
  const found = spans.get(request);
  if (!found) return parts;
  const { span, traces } = found;
  const recorded = ({ id, trace }: Message, provider: string, { type }: ProviderEvent) => {
    // Mail that was not traced gets no trace of its own for this.
    if (trace === undefined) return;
    const attributes = { 'mailover.message': id, 'mailover.provider': provider, 'mailover.event': type };
    traces
      .start({ name: `event ${type}`, kind: 'consumer', parent: trace, link: span.traceparent, attributes })
      .end(null);
  };
  return { ...parts, record: { ...parts.record, recorded } };
}
