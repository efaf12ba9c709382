// An HTTP server for tests, on a port of 127.0.0.1: answers by a handler, or misbehaves as it is told, at any step of an exchange.
import {
  createServer as createHttp,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer, type Socket } from 'node:net';
import { selfSigned, type TestCertificate } from './certificate.ts';

/** One request that came in whole. Header names are in lower case; `path` is as on the wire, with its query. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The number of the connection that brought it, from 1. */
  readonly connection: number;
}

export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** What the server does when nothing is wrong: a pretended provider. Whatever it keeps, it vouches for, also if its reply is lost. */
export type Handler = (request: ReceivedRequest) => HttpReply | Promise<HttpReply>;

/**
 * One fault. `when` narrows it: to connections that brought a request before, or to requests whose path has `path` in it.
 *
 * `refuse`: nobody listens, and open connections are cut. Else it strikes at a step: on connecting, once the
 * first bytes are there, which nobody looks at; at the head, so that a long body is only read in part; or once the handler has had the whole request. `close` hangs up
 * politely, `reset` with a TCP reset, `silence` never answers, `garbage` answers something that is neither HTTP nor TLS.
 * `reply` is said in place of the handler's, which has seen the request only if the fault says `taken`.
 * `answer` spoils the handler's own reply: `truncated` is half of its body as if that were all, `cut` hangs up amid it, `empty` has
 * no body, `flood` is ten megabytes, `drip` is a byte now and then without an end.
 */
export type HttpFault =
  | { readonly act: 'refuse'; readonly when?: never }
  | ({
      readonly at: 'connect' | 'head' | 'request';
      readonly act: 'close' | 'reset' | 'silence' | 'garbage';
    } & Narrowed)
  | ({ readonly reply: HttpReply; readonly taken?: boolean } & Narrowed)
  | ({ readonly answer: SpoiltAnswer } & Narrowed);

type SpoiltAnswer = 'truncated' | 'cut' | 'empty' | 'flood' | 'drip';

interface Narrowed {
  readonly when?: { readonly reused?: boolean; readonly path?: string };
}

export interface HttpServerOptions {
  /** 200 and `{}` by default. */
  readonly handler?: Handler;
  /** Awaited once the handler has had a request, before its answer goes out: to put on disk what was taken. */
  readonly commit?: () => Promise<void>;
  /** HTTPS, with a certificate of its own or this one. */
  readonly tls?: boolean | TestCertificate;
}

export interface HttpServer {
  /** Scheme, host and port, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** PEM of its certificate, to trust it; empty without TLS. */
  readonly ca: string;
  /** Every request that came in whole, struck by a fault or not. */
  readonly requests: readonly ReceivedRequest[];
  /** How often it was connected to, and how many connections are open now. */
  readonly connections: number;
  readonly open: number;
  /** How many bytes it has read, all connections together. */
  readonly bytesRead: number;
  /** The faults from now on, the first that fits strikes; null: none. In effect when it returns. */
  setFault(fault: HttpFault | readonly HttpFault[] | null): void;
  /** Hangs up on every connection, now. */
  drop(): void;
  /** May be called twice. */
  close(): Promise<void>;
}

/** Starts it. Always `close` it: a fault may keep connections open for good. */
export async function startHttpServer({ handler, commit, tls }: HttpServerOptions = {}): Promise<HttpServer> {
  const handle: Handler =
    handler ?? (() => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '{}' }));
  const answer = async (request: ReceivedRequest): Promise<HttpReply> => {
    const reply = await handle(request);
    await commit?.();
    return reply;
  };
  const certificate = tls ? (tls === true ? selfSigned() : tls) : null;
  const requests: ReceivedRequest[] = [];
  // By the client's port: with TLS the socket that a request names is not the one under it.
  const open = new Map<number, { readonly socket: Socket; readonly number: number; requests: number }>();
  let [connections, bytesOfClosed] = [0, 0];
  let faults: readonly HttpFault[] = [];
  const faultFor = (brought: number, path?: string) =>
    faults.find(
      ({ when }) => (!when?.reused || brought > 0) && (when?.path === undefined || path?.includes(when.path)),
    );

  const onRequest = (incoming: IncomingMessage, outgoing: ServerResponse) => void exchange(incoming, outgoing);
  async function exchange(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const from = open.get(incoming.socket.remotePort ?? 0);
    if (!from) return;
    const { socket, number: connection } = from;
    const path = incoming.url ?? '';
    const fault = faultFor(from.requests++, path);
    if (fault && 'at' in fault && fault.at === 'head') return strike(socket, fault.act);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming) chunks.push(chunk);
    } catch {
      return; // The client left in the middle.
    }
    const { method = '', headers } = incoming;
    const request = { method, path, headers, body: Buffer.concat(chunks), connection };
    requests.push(request);
    if (fault && 'reply' in fault) {
      if (fault.taken) await answer(request);
      return say(outgoing, fault.reply);
    }
    const reply = await answer(request);
    if (fault && 'at' in fault) return strike(socket, fault.act);
    if (fault && 'answer' in fault) return spoil(outgoing, reply, fault.answer);
    say(outgoing, reply);
  }

  const inner = certificate
    ? createHttps({ key: certificate.key, cert: certificate.cert }, onRequest)
    : createHttp(onRequest);
  inner.keepAliveTimeout = 0;
  inner.on('tlsClientError', () => {});
  const listener = createServer({ noDelay: true }, (socket) => {
    if (socket.remoteAddress === undefined || !/^(::ffff:)?127\./.test(socket.remoteAddress)) return socket.destroy();
    const port = socket.remotePort ?? 0;
    open.set(port, { socket, number: ++connections, requests: 0 });
    socket.on('error', () => {});
    socket.on('close', () => {
      bytesOfClosed += socket.bytesRead;
      open.delete(port);
    });
    const fault = faultFor(0);
    if (fault && 'at' in fault && fault.at === 'connect' && !fault.when?.path) {
      // Not at once: a client that is reset before it knows of its connection would say that it never had one.
      if (fault.act !== 'silence') socket.once('data', () => strike(socket, fault.act));
      return;
    }
    inner.emit('connection', socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const bound = listener.address();
  if (bound === null || typeof bound === 'string') throw new Error('the HTTP server got no port');
  const { port } = bound;
  const drop = () => {
    for (const { socket } of open.values()) socket.destroy();
  };

  return {
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    ca: certificate?.cert ?? '',
    requests,
    get connections() {
      return connections;
    },
    get open() {
      return open.size;
    },
    get bytesRead() {
      return [...open.values()].reduce((sum, { socket }) => sum + socket.bytesRead, bytesOfClosed);
    },
    setFault(fault) {
      faults = [fault ?? []].flat();
      const refuse = faults.some((one) => 'act' in one && one.act === 'refuse');
      if (refuse && listener.listening) {
        listener.close();
        drop();
      }
      // Without a host, listen() has done its work when it returns.
      if (!refuse && !listener.listening) listener.listen(port);
    },
    drop,
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve));
      drop();
      await closed;
      inner.close();
    },
  };
}

function strike(socket: Socket, act: 'close' | 'reset' | 'silence' | 'garbage'): void {
  switch (act) {
    case 'close':
      socket.destroySoon();
      break;
    case 'reset':
      socket.resetAndDestroy();
      break;
    case 'garbage':
      socket.end('this is neither HTTP nor TLS\r\n\r\n');
      break;
    case 'silence':
      // Nobody reads on, either: what is on its way piles up at the sender.
      break;
  }
}

function say(outgoing: ServerResponse, { status, headers = {}, body = '' }: HttpReply): void {
  outgoing.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
}

function spoil(outgoing: ServerResponse, reply: HttpReply, how: SpoiltAnswer): void {
  const body = Buffer.from(reply.body ?? '');
  const half = body.subarray(0, body.length / 2);
  switch (how) {
    case 'truncated':
      say(outgoing, { ...reply, body: half });
      break;
    case 'empty':
      say(outgoing, { ...reply, body: '' });
      break;
    case 'flood':
      say(outgoing, { ...reply, body: Buffer.concat([body, Buffer.alloc(10 * 1024 * 1024, ' ')]) });
      break;
    case 'cut':
      outgoing.writeHead(reply.status, { ...reply.headers, 'content-length': body.length + 1 });
      outgoing.write(half, () => outgoing.destroy());
      break;
    case 'drip': {
      outgoing.writeHead(reply.status, { ...reply.headers });
      const dripping = setInterval(() => outgoing.write(' '), 20);
      outgoing.on('close', () => clearInterval(dripping));
    }
  }
}
