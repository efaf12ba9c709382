// Requests to sinks, applications and the heartbeat: no redirect, bounded in time and size, and only to where they may go.
//
// Over node:http(s) and not fetch: only there the connection itself can be told which addresses it may have.
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { Forbidden, type Places } from './places.ts';

/** One request. A `body` is sent with the method POST, unless another one is named. */
export interface OutgoingRequest {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
}

/** What came of it: the status and the beginning of the answer, or in words why there was none. */
export type OutgoingAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly retryAfterMs: number | null; readonly body: string }
  | { readonly kind: 'trouble'; readonly detail: string };

/** Makes requests. */
export interface Outgoing {
  /** Never rejects. `signal` ends it early. */
  ask(request: OutgoingRequest, signal?: AbortSignal): Promise<OutgoingAnswer>;
  /** Closes all connections. */
  close(): void;
}

// Nothing of ours needs more of an answer.
const mostBody = 16_384;
const idleMs = 20_000;

/** @param clock epoch ms, for a `Retry-After` that is a date. */
export function createOutgoing(places: Places, clock: () => number): Outgoing {
  const agents = {
    'http:': new http.Agent({ keepAlive: true, timeout: idleMs, lookup: places.lookup(false) }),
    'https:': new https.Agent({ keepAlive: true, timeout: idleMs, lookup: places.lookup(true) }),
  };

  function begin({ method, url, headers, body }: OutgoingRequest): http.ClientRequest {
    const target = new URL(url);
    const secure = target.protocol === 'https:';
    // A URL has every form of an address in its normal one: 2130706433 and 0x7f.1 are 127.0.0.1.
    const literal = target.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal) !== 0 && !places.allows(literal, secure)) throw new Forbidden(secure);
    return (secure ? https : http).request(target, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      agent: agents[secure ? 'https:' : 'http:'],
      headers: {
        'user-agent': 'Mailover',
        'accept-encoding': 'identity',
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
    });
  }

  return {
    ask: (request, signal) =>
      new Promise((resolve) => {
        let head: { status: number; retryAfterMs: number | null } | null = null;
        let text = '';
        let timer: NodeJS.Timeout | undefined;
        let outgoing: http.ClientRequest | null = null;
        const settle = (answer: OutgoingAnswer, kept = false) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', stop);
          if (!kept) outgoing?.destroy();
          resolve(answer);
        };
        // Once the status is there the far side has decided; how its answer goes on does not matter.
        const end = (detail: string, kept = false) =>
          settle(head ? { kind: 'answered', ...head, body: text } : { kind: 'trouble', detail }, kept);
        const stop = () => end('it was stopped');
        if (signal?.aborted) return stop();
        try {
          outgoing = begin(request);
        } catch (error) {
          return end(wordsOf(error));
        }
        timer = setTimeout(() => end(`no answer within ${request.timeoutMs / 1_000} s`), request.timeoutMs);
        signal?.addEventListener('abort', stop, { once: true });
        outgoing.on('error', (error) => end(wordsOf(error)));
        outgoing.on('close', () => end('the connection was closed without an answer'));
        outgoing.on('response', (incoming) => {
          head = {
            status: incoming.statusCode ?? 0,
            retryAfterMs: retryAfterMs(incoming.headers['retry-after'], clock()),
          };
          incoming.setEncoding('utf8');
          incoming.on('data', (chunk: string) => {
            text += chunk.slice(0, mostBody - text.length);
            if (text.length >= mostBody) end('');
          });
          incoming.on('end', () => end('', true));
          incoming.on('error', () => end(''));
        });
        outgoing.end(request.body);
      }),
    close() {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

/** The pause that a `Retry-After` asks for, in ms; null when there is none that can be read (RFC 9110, 10.2.3: seconds or a date). */
function retryAfterMs(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

// The address that was asked may be a secret: of Node's errors only the code, which says enough.
function wordsOf(error: unknown): string {
  if (error instanceof Forbidden) return error.message;
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const code = (first as NodeJS.ErrnoException).code;
  if (code === 'ECONNREFUSED') return 'connection refused';
  if (code === 'ENOTFOUND') return 'there is no host of that name';
  return code ?? 'the request cannot be made';
}
