// A TCP proxy on 127.0.0.1 between two parts of a test: cuts, holds, delays, or loses the answer to a request that went through.
import { connect, createServer, type Socket } from 'node:net';

/** The line between a client and a server, to be disturbed. */
export interface TestProxy {
  readonly port: number;
  /** Connections open now. */
  readonly open: number;
  /** Resets every connection. */
  cut(): void;
  /** Nothing passes, and nobody notices, until `release`. With `naming`, only on open connections whose client has said that by now. */
  hold(naming?: string): void;
  release(): void;
  /** Every piece takes so long on its way to the server; 0 for none. */
  delay(ms: number): void;
  /** Every piece takes up to so long on its way back, each connection by itself; 0 for none. */
  lag(ms: number): void;
  /** Connections are refused from now on, and the open ones reset; until `allow`. */
  refuse(): void;
  allow(): void;
  /** The next so many answers get lost: the server has had the request in full, and its client a reset. */
  loseAnswers(count: number): void;
  close(): Promise<void>;
}

interface Line {
  readonly client: Socket;
  readonly server: Socket;
  /** The first that its client said. */
  said: string;
}

/** Writes to `socket` what it is given, each piece after so many ms, in order also when the delay has just become shorter. */
function slowly(socket: Socket): (chunk: Buffer, ms: number) => void {
  const late: { readonly dueAt: number; readonly chunk: Buffer }[] = [];
  const pass = () => {
    while (late[0] && late[0].dueAt <= performance.now()) {
      const { chunk } = late.shift()!;
      if (socket.writable) socket.write(chunk);
    }
    if (late[0]) setTimeout(pass, late[0].dueAt - performance.now() + 1);
  };
  return (chunk, ms) => {
    if (ms === 0 && late.length === 0) return void socket.write(chunk);
    late.push({ dueAt: Math.max(performance.now() + ms, late.at(-1)?.dueAt ?? 0), chunk });
    if (late.length === 1) setTimeout(pass, ms + 1);
  };
}

/** Starts one before the server at `target`: a port of 127.0.0.1, or a socket's path. */
export async function startProxy(target: { readonly port: number } | { readonly path: string }): Promise<TestProxy> {
  const lines = new Set<Line>();
  let [held, delayMs, lagMs, toLose] = [false, 0, 0, 0];

  const listener = createServer({ noDelay: true }, (client) => {
    const server = connect({ ...target, host: '127.0.0.1', noDelay: true });
    const line: Line = { client, server, said: '' };
    lines.add(line);
    const end = () => {
      lines.delete(line);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      if (held) socket.pause();
      socket.on('error', () => {});
      socket.on('close', end);
    }
    const [toServer, toClient] = [slowly(server), slowly(client)];
    client.on('data', (chunk) => {
      if (line.said.length < 4_096) line.said += chunk.toString('latin1');
      toServer(chunk, delayMs);
    });
    server.on('data', (chunk) => {
      if (toLose === 0 || line.client.bytesRead === 0) return toClient(chunk, lagMs * Math.random());
      toLose -= 1;
      client.resetAndDestroy();
    });
  });
  const listen = (port: number) => new Promise<void>((done) => listener.listen(port, '127.0.0.1', () => done()));
  await listen(0);
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy got no port');
  const { port } = address;

  const cut = () => {
    for (const { client } of lines) client.resetAndDestroy();
  };
  return {
    port,
    get open() {
      return lines.size;
    },
    cut,
    hold(naming) {
      held = naming === undefined;
      for (const { client, server, said } of lines) {
        if (naming !== undefined && !said.includes(naming)) continue;
        client.pause();
        server.pause();
      }
    },
    release() {
      held = false;
      for (const { client, server } of lines) {
        client.resume();
        server.resume();
      }
    },
    delay(ms) {
      delayMs = ms;
    },
    lag(ms) {
      lagMs = ms;
    },
    refuse() {
      if (listener.listening) listener.close();
      cut();
    },
    allow() {
      if (!listener.listening) listener.listen(port, '127.0.0.1');
    },
    loseAnswers(count) {
      toLose = count;
    },
    async close() {
      const closed = new Promise((done) => (listener.listening ? listener.close(done) : done(null)));
      for (const { client, server } of lines) {
        client.destroy();
        server.destroy();
      }
      await closed;
    },
  };
}
