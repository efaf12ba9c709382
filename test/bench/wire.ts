// HTTP/1.1 with as little work as can be: on two cores whoever makes the load must not be what is measured.
import { connect, type Socket } from 'node:net';

/** An answer: its status and its body as text. */
export interface WireAnswer {
  readonly status: number;
  readonly body: string;
}

/** Connections that stay open, each with one request at a time. */
export interface Wire {
  /** Sends over the next free connection. Rejects when it breaks, or the end of the answer cannot be told. */
  call(method: string, path: string, body?: string, headers?: Record<string, string>): Promise<WireAnswer>;
  close(): void;
}

interface Line {
  readonly socket: Socket;
  received: Buffer;
  answer: { resolve: (answer: WireAnswer) => void; reject: (error: Error) => void } | null;
}

const headEnd = Buffer.from('\r\n\r\n');

/** Opens `count` connections to `url`. `headers` go with every request; a call may have more. */
export async function openWire(url: string, count: number, headers: Record<string, string> = {}): Promise<Wire> {
  const { hostname, port, host } = new URL(url);
  const free = await Promise.all(Array.from({ length: count }, () => open(hostname, Number(port))));
  const lines = new Set(free);
  const waiting: ((line: Line) => void)[] = [];
  const written = (some: Record<string, string>) =>
    Object.entries(some)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
  const always = written(headers);

  async function take(): Promise<Line> {
    const line = free.pop() ?? (await new Promise<Line>((resolve) => waiting.push(resolve)));
    if (!line.socket.destroyed) return line;
    // A server closes what has not been used for some time.
    lines.delete(line);
    const fresh = await open(hostname, Number(port));
    lines.add(fresh);
    return fresh;
  }

  return {
    async call(method, path, body = '', more = {}) {
      const line = await take();
      try {
        return await new Promise<WireAnswer>((resolve, reject) => {
          line.answer = { resolve, reject };
          const length = Buffer.byteLength(body);
          const type = length > 0 ? `content-type: application/json\r\ncontent-length: ${length}\r\n` : '';
          line.socket.write(
            `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${always}${written(more)}${type}\r\n${body}`,
          );
        });
      } finally {
        const next = waiting.shift();
        if (next) next(line);
        else free.push(line);
      }
    },
    close() {
      for (const { socket } of lines) socket.destroy();
    },
  };
}

function open(host: string, port: number): Promise<Line> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const line: Line = { socket, received: Buffer.alloc(0), answer: null };
    const fail = (error: Error) => {
      line.answer?.reject(error);
      reject(error);
    };
    socket.on('connect', () => resolve(line));
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the connection was closed')));
    socket.on('data', (chunk) => read(line, chunk));
  });
}

function read(line: Line, chunk: Buffer): void {
  line.received = line.received.length === 0 ? chunk : Buffer.concat([line.received, chunk]);
  const end = line.received.indexOf(headEnd);
  if (end < 0) return;
  const head = line.received.toString('latin1', 0, end);
  const { answer } = line;
  // Nobody has asked: a server says 408 before it closes a connection on which nothing came.
  if (answer === null) return;
  const whole = /\r\ntransfer-encoding: *chunked/i.test(head)
    ? inChunks(line.received, end + 4)
    : inOne(line.received, end + 4, /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
  if (whole === 'unknown') answer.reject(new Error(`no Content-Length, and no chunks: ${head}`));
  if (whole === 'unknown' || whole === 'incomplete') return;
  line.received = line.received.subarray(whole.end);
  line.answer = null;
  answer.resolve({ status: Number(head.slice(9, 12)), body: whole.body });
}

/** A body, and where it ends. */
type Whole = { readonly body: string; readonly end: number } | 'incomplete';

function inOne(received: Buffer, from: number, length: string | undefined): Whole | 'unknown' {
  if (length === undefined) return 'unknown';
  const end = from + Number(length);
  return received.length < end ? 'incomplete' : { body: received.toString('utf8', from, end), end };
}

function inChunks(received: Buffer, from: number): Whole {
  const chunks: Buffer[] = [];
  for (let at = from; ; ) {
    const lineEnd = received.indexOf('\r\n', at);
    if (lineEnd < 0) return 'incomplete';
    const size = Number.parseInt(received.toString('latin1', at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (received.length < end + 2) return 'incomplete';
    if (size === 0) return { body: Buffer.concat(chunks).toString(), end: end + 2 };
    chunks.push(received.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
