// HTTP for adapters: one request, no retry, no redirect, bounded in time and size, and always honest about how far it got.
//
// Over node:http(s) and not fetch: fetch says `fetch failed` for a refused connection and for one lost after the whole body was
// written, and only the first is certainly not sent. Here the phase is known, and a connection has a time of its own.
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal: AbortSignal;
}

/** Header names in lower case; a repeated header is joined with `, `. */
export interface HttpResponse {
  readonly kind: 'answered';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * No answer that could be read.
 *
 * `sent`: may the far side have the whole request? False only where it certainly has not: no connection, no TLS, or the
 * connection was lost before the last byte was handed to the socket. `answer` is what of an answer had come, where that was cut off.
 */
export interface HttpTrouble {
  readonly kind: 'trouble';
  readonly cause: 'connection_failed' | 'tls_failed' | 'timeout' | 'connection_lost' | 'unreadable_response';
  readonly sent: boolean;
  /** For an operator; holds no header and no body of the request. */
  readonly detail: string;
  readonly answer: { readonly status: number; readonly body: string } | null;
}

export interface HttpClient {
  /** Never rejects. */
  request(request: HttpRequest): Promise<HttpResponse | HttpTrouble>;
  /** Closes what is idle. */
  close(): void;
}

export interface HttpClientSettings {
  /** How long name look-up, connection and TLS may take together, ms. */
  readonly connectTimeoutMs?: number;
  readonly maxSockets?: number;
  /** PEM of a private CA, for tests and for proxies. */
  readonly ca?: string;
}

// The longest useful answer is a batch result of some 100 KB.
const largestAnswer = 1_048_576;
// Below the idle time-outs of load balancers (60 s and more): a socket they have just closed costs a message its certainty.
const idleMs = 20_000;

/** Makes a client with connections of its own, kept alive. */
export function createHttpClient({ connectTimeoutMs = 5_000, maxSockets = 64, ca }: HttpClientSettings = {}): HttpClient {
  const agents = {
    'http:': new http.Agent({ keepAlive: true, maxSockets, timeout: idleMs }),
    'https:': new https.Agent({ keepAlive: true, maxSockets, timeout: idleMs, ...(ca !== undefined && { ca }) }),
  };

  function request({ method, url, headers = {}, body, signal }: HttpRequest): Promise<HttpResponse | HttpTrouble> {
    return new Promise((resolve) => {
      const target = new URL(url);
      const secure = target.protocol === 'https:';
      let connected = false;
      let encrypted = !secure;
      let sent = false;
      let answer: { status: number; headers: Record<string, string> } | null = null;
      const chunks: Buffer[] = [];
      let size = 0;

      const finish = (result: HttpResponse | HttpTrouble) => {
        clearTimeout(connecting);
        signal.removeEventListener('abort', abort);
        resolve(result);
        if (result.kind === 'trouble') outgoing.destroy();
      };
      const trouble = (cause: HttpTrouble['cause'], detail: string) =>
        finish({
          kind: 'trouble',
          cause,
          sent,
          detail,
          answer: answer && { status: answer.status, body: Buffer.concat(chunks).toString('utf8') },
        });
      const abort = () => trouble('timeout', `no ${answer ? 'complete ' : ''}answer in time${connected ? '' : '; not even a connection'}`);

      const outgoing = (secure ? https : http).request(target, {
        method,
        agent: agents[secure ? 'https:' : 'http:'],
        headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
      });
      const connecting = setTimeout(() => trouble('timeout', `no connection within ${connectTimeoutMs} ms`), connectTimeoutMs);
      const established = () => {
        encrypted = true;
        clearTimeout(connecting);
      };
      outgoing.on('socket', (socket: Socket) => {
        if (!socket.connecting) {
          connected = true;
          established();
          return;
        }
        socket.once('connect', () => {
          connected = true;
          if (!secure) established();
        });
        socket.once('secureConnect', established);
      });
      // 'finish' comes once the last byte has been handed to the socket. From the first byte of the last chunk on, the far
      // side might have had it all: a body is one write here, so before 'finish' it is whole or it is not there.
      outgoing.on('finish', () => {
        if (encrypted && connected) sent = true;
      });
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        // A body that was handed over while the connection was lost may have arrived, unless there was no connection at all.
        if (connected && encrypted) sent = true;
        const words = `${error.code ?? error.name}: ${error.message}`;
        if (!connected) trouble('connection_failed', words);
        else if (!encrypted) trouble('tls_failed', words);
        else if (error.code?.startsWith('HPE_')) trouble('unreadable_response', words);
        else trouble('connection_lost', words);
      });
      outgoing.on('response', (incoming) => {
        sent = true;
        answer = {
          status: incoming.statusCode ?? 0,
          headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, [value].flat().join(', ')])),
        };
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > largestAnswer) trouble('unreadable_response', `the answer is larger than ${largestAnswer} bytes`);
          else chunks.push(chunk);
        });
        incoming.on('end', () => {
          if (!incoming.complete) trouble('unreadable_response', 'the answer was cut off');
          else finish({ kind: 'answered', ...answer!, body: Buffer.concat(chunks).toString('utf8') });
        });
        incoming.on('error', (error: Error) => trouble('unreadable_response', `the answer was cut off: ${error.message}`));
      });

      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      else outgoing.end(body);
    });
  }

  return {
    request,
    close() {
      agents['http:'].destroy();
      agents['https:'].destroy();
    },
  };
}
