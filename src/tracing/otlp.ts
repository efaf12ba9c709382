// Tracing that is on: OpenTelemetry's SDK and its exporter over HTTP. Loaded only when settings ask for it.
import {
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import type { SpanStart, Traces } from './traces.ts';

/** What the settings say, and who we are. */
export interface OtlpSettings {
  /** Of the collector, without `/v1/traces`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  readonly version: string;
  /** The process, to tell it from others. */
  readonly instance: string;
  /** The share of traces that begin here; those that come from outside say for themselves. */
  readonly sample: number;
}

/** Tracing that has to be closed. */
export interface OpenTraces extends Traces {
  /** Sends what is left, within two seconds. */
  close(): Promise<void>;
}

interface TraceLog {
  warn(fields: Record<string, unknown>, text: string): void;
}

const closeMs = 2_000;
const saidEveryMs = 60_000;
const kinds = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER, client: SpanKind.CLIENT } as const;

/** Opens it. A collector that is slow or gone costs spans, and nothing else: they wait in a queue of fixed size. */
export function openTraces(settings: OtlpSettings, log: TraceLog, clock: () => number): OpenTraces {
  const exporter = new OTLPTraceExporter({
    url: `${settings.endpoint}/v1/traces`,
    headers: { ...settings.headers },
    timeoutMillis: 5_000,
  });
  const provider = new BasicTracerProvider({
    resource: resourceOf({
      'service.name': settings.serviceName,
      'service.version': settings.version,
      'service.instance.id': settings.instance,
    }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(settings.sample) }),
    spanProcessors: [
      new BatchSpanProcessor(complaining(exporter, settings.endpoint, log, clock), {
        maxQueueSize: 4_096,
        maxExportBatchSize: 512,
        scheduledDelayMillis: 1_000,
        exportTimeoutMillis: 6_000,
      }),
    ],
  });
  const tracer = provider.getTracer('mailover', settings.version);

  return {
    on: true,
    start({ name, kind, parent, link, attributes }: SpanStart) {
      const above = contextOf(parent);
      const context: Context = above ? trace.setSpanContext(ROOT_CONTEXT, above) : ROOT_CONTEXT;
      const linked = contextOf(link);
      const span = tracer.startSpan(
        name,
        { kind: kinds[kind], ...(attributes && { attributes }), ...(linked && { links: [{ context: linked }] }) },
        context,
      );
      return {
        traceparent: traceparentOf(span),
        event: (what, more) => span.addEvent(what, more),
        end(failed, more) {
          if (more) span.setAttributes(more);
          if (failed !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: failed });
          span.end();
        },
      };
    },
    async close() {
      let bell: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        bell = setTimeout(resolve, closeMs);
      });
      await Promise.race([provider.shutdown().catch(() => {}), late]).finally(() => clearTimeout(bell));
    },
  };
}

// https://www.w3.org/TR/trace-context/#traceparent-header; what is malformed, or of a version that is none, is passed over.
function contextOf(traceparent: string | undefined): SpanContext | null {
  const match = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:$|-)/.exec(
    traceparent ?? '',
  );
  const [, traceId, spanId, flags] = match ?? [];
  if (!traceId || !spanId || flags === undefined) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
}

function traceparentOf(span: OtelSpan): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`;
}

// Said once a minute at most: mail goes on, and the log is for mail.
function complaining(exporter: OTLPTraceExporter, endpoint: string, log: TraceLog, clock: () => number): SpanExporter {
  let saidAt = Number.NEGATIVE_INFINITY;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined && clock() - saidAt >= saidEveryMs) {
          saidAt = clock();
          const fields = { collector: endpoint, spans: spans.length, error: result.error.message };
          log.warn(fields, 'traces could not be handed to the collector; these are lost, and mail goes on');
        }
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

// The SDK's own makers of resources read the environment; three fixed facts need none of that.
function resourceOf(
  attributes: Record<string, string>,
): NonNullable<NonNullable<ConstructorParameters<typeof BasicTracerProvider>[0]>['resource']> {
  return { attributes, merge: () => resourceOf(attributes), getRawAttributes: () => Object.entries(attributes) };
}
