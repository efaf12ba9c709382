// What the rest of the service knows of tracing: spans by W3C trace context. Off, it costs nothing: no package is loaded.

/** What a span can carry along. Never an address, a subject, a text or a secret. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** One span to be begun. */
export interface SpanStart {
  readonly name: string;
  readonly kind: 'server' | 'consumer' | 'client';
  /** The `traceparent` of the span above, also one from outside: what is none begins a trace of its own. */
  readonly parent?: string | undefined;
  /** The `traceparent` of a span that this one has to do with, in another trace. */
  readonly link?: string | undefined;
  readonly attributes?: Attributes;
}

/** A span under way. */
export interface Span {
  /** For whoever goes on with it, in another process perhaps; undefined while tracing is off. */
  readonly traceparent: string | undefined;
  event(name: string, attributes: Attributes): void;
  /** @param failed what went wrong, in one word of ours; null for nothing. */
  end(failed: string | null, attributes?: Attributes): void;
}

/** Where spans are begun. */
export interface Traces {
  readonly on: boolean;
  start(span: SpanStart): Span;
}

const noSpan: Span = { traceparent: undefined, event: () => {}, end: () => {} };

/** Tracing that is off. */
export const noTraces: Traces = { on: false, start: () => noSpan };
