// HTTP for adapters: one request, no retry, no redirect, bounded in time and size, and always honest about how far it got.
//
// Over node:http(s) and not fetch: fetch says `fetch failed` for a refused connection and for one lost after the whole body was
// written, and only the first is certainly not sent. Here the phase is known, and a connection has a time of its own.
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** One request. It ends when `signal` aborts, however far it has got. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
}

/** An answer, whatever its status. Header names in lower case; a repeated header is joined with `, `. */
export interface HttpResponse {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * No answer that could be read.
 *
 * `sent`: may the far side have the whole request? False only where it certainly has not: no connection, no TLS, or an end while
 * the last piece of the body was still ours. `answer` is what of an answer had come, where that was cut off.
 */
export interface HttpTrouble {
  readonly kind: 'trouble';
  readonly cause: 'connection_failed' | 'tls_failed' | 'timeout' | 'connection_lost' | 'unreadable_response';
  readonly sent: boolean;
  /** For an operator; holds no header and no body of the request. */
  readonly detail: string;
  readonly answer: { readonly status: number; readonly body: string } | null;
}

/** Connections to anywhere, kept for the next request. */
export interface HttpClient {
  /** Never rejects. */
  request(request: HttpRequest): Promise<HttpResponse | HttpTrouble>;
  /** Closes every connection; a request that is still open ends in trouble. */
  close(): void;
}

/** What may differ from adapter to adapter. */
export interface HttpClientSettings {
  /** How long name look-up, connection and TLS may take together, ms. Waiting for one of `maxSockets` does not count. */
  readonly connectTimeoutMs?: number;
  readonly maxSockets?: number;
  /** PEM of a private CA, for tests and for proxies. */
  readonly ca?: string;
}

// The longest useful answer is a batch result of some 100 KB.
const largestAnswer = 1_048_576;
// Below the idle time-outs of load balancers (60 s and more): a socket they have just closed costs a message its certainty.
const idleMs = 20_000;
// A body up to this size is one write: from then on, the far side may have it all. Of a longer one the last piece is held back until
// the socket has taken the rest; whatever ends the request before that, the far side has not got it.
const onePiece = 65_536;
const lastPiece = 16_384;

/** How far a request got. Only in `sent` may the far side have all of it. */
type Phase = 'waiting' | 'connecting' | 'encrypting' | 'sending' | 'sent';

/** Makes a client with connections of its own, kept alive. */
export function createHttpClient({
  connectTimeoutMs = 5_000,
  maxSockets = 64,
  ca,
}: HttpClientSettings = {}): HttpClient {
  const agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets, timeout: idleMs }),
    'https:': new https.Agent({ keepAlive: true, maxSockets, timeout: idleMs, ...(ca !== undefined && { ca }) }),
  };

  function begin({ method, url, headers }: HttpRequest, length: number | undefined): http.ClientRequest {
    const target = new URL(url);
    const secure = target.protocol === 'https:';
    return (secure ? https : http).request(target, {
      method,
      agent: agents[secure ? 'https:' : 'http:'],
      // Without a word about it any encoding of the answer would be fair (RFC 9110, 12.5.3).
      headers: { 'accept-encoding': 'identity', ...headers, ...(length !== undefined && { 'content-length': length }) },
    });
  }

  return {
    request: (request) =>
      new Promise((resolve) => {
        const { signal } = request;
        if (signal.aborted) return resolve(neverBegun('timeout', 'there was no time left to begin'));
        const body = request.body === undefined ? undefined : asBuffer(request.body);
        try {
          carry(begin(request, body?.length), body, signal, connectTimeoutMs, resolve);
        } catch (error) {
          // A URL or a header that cannot be. Only its code: the message may quote it.
          const code = (error as NodeJS.ErrnoException).code ?? 'unknown fault';
          resolve(neverBegun('connection_failed', `the request cannot be made: ${code}`));
        }
      }),
    close() {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}

function carry(
  outgoing: http.ClientRequest,
  body: Buffer | undefined,
  signal: AbortSignal,
  connectTimeoutMs: number,
  resolve: (result: HttpResponse | HttpTrouble) => void,
): void {
  let phase: Phase = 'waiting';
  let settled = false;
  let connecting: NodeJS.Timeout | undefined;
  let answer: { status: number; headers: Record<string, string> } | null = null;
  const chunks: Buffer[] = [];
  let size = 0;

  const settle = (result: HttpResponse | HttpTrouble) => {
    if (settled) return;
    settled = true;
    clearTimeout(connecting);
    signal.removeEventListener('abort', abort);
    // An answer before the end of the question: nobody waits for the rest.
    if (result.kind === 'trouble' || phase !== 'sent') outgoing.destroy();
    resolve(result);
  };
  const trouble = (cause: HttpTrouble['cause'], detail: string) => {
    const body = Buffer.concat(chunks).toString('utf8');
    settle({
      kind: 'trouble',
      cause,
      sent: phase === 'sent',
      detail,
      answer: answer && { status: answer.status, body },
    });
  };
  const abort = () => trouble('timeout', `no ${answer ? 'complete ' : ''}answer in time; ${gotAsFarAs[phase]}`);
  signal.addEventListener('abort', abort, { once: true });

  const split = body && body.length > onePiece ? body.length - lastPiece : 0;
  const established = () => {
    clearTimeout(connecting);
    phase = split > 0 ? 'sending' : 'sent';
  };
  outgoing.on('socket', (socket: Socket | TLSSocket) => {
    if (!socket.connecting) return established();
    phase = 'connecting';
    connecting = setTimeout(() => trouble('timeout', `no connection within ${connectTimeoutMs} ms`), connectTimeoutMs);
    if ('authorized' in socket) {
      socket.once('connect', () => {
        phase = 'encrypting';
      });
      socket.once('secureConnect', established);
    } else socket.once('connect', established);
  });

  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    const words = describe(error);
    if (phase === 'waiting' || phase === 'connecting') trouble('connection_failed', words);
    else if (phase === 'encrypting') trouble('tls_failed', words);
    else trouble(error.code?.startsWith('HPE_') ? 'unreadable_response' : 'connection_lost', words);
  });
  // Not every end is an error: an answer of 101, for one, just closes.
  outgoing.on('close', () => {
    if (answer === null) trouble('connection_lost', 'the connection was closed without an answer');
  });
  outgoing.on('response', (incoming) => {
    const headers = Object.entries(incoming.headers).map(([name, value]) => [name, [value].flat().join(', ')]);
    const head = { status: incoming.statusCode ?? 0, headers: Object.fromEntries(headers) };
    answer = head;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > largestAnswer) trouble('unreadable_response', `the answer is larger than ${largestAnswer} bytes`);
      else chunks.push(chunk);
    });
    incoming.on('end', () => settle({ kind: 'answered', ...head, body: Buffer.concat(chunks).toString('utf8') }));
    incoming.on('error', (error: Error) =>
      trouble('unreadable_response', `the answer was cut off: ${describe(error)}`),
    );
    incoming.on('close', () => trouble('unreadable_response', 'the answer was cut off'));
  });

  if (body === undefined || split === 0) outgoing.end(body);
  else {
    outgoing.write(body.subarray(0, split), (error) => {
      if (error || settled) return;
      phase = 'sent';
      outgoing.end(body.subarray(split));
    });
  }
}

const gotAsFarAs: Record<Phase, string> = {
  waiting: 'all connections were busy',
  connecting: 'there was no connection yet',
  encrypting: 'TLS was not established yet',
  sending: 'the request was only written in part',
  sent: 'the request was written',
};

function neverBegun(cause: HttpTrouble['cause'], detail: string): HttpTrouble {
  return { kind: 'trouble', cause, sent: false, detail, answer: null };
}

// A name with several addresses fails with all their errors in one, which has no message of its own.
function describe(error: NodeJS.ErrnoException): string {
  const messages = error instanceof AggregateError ? error.errors.map(({ message }) => message) : [error.message];
  return `${error.code ?? error.name}: ${messages.join('; ')}`;
}

function asBuffer(body: string | Uint8Array): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
