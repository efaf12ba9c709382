// Providers that take everything: an HTTP API and an SMTP relay with as little work in them as can be.
import { createServer } from 'node:http';
import { createServer as createSmtp } from 'node:net';

/** A provider in this process. */
export interface FarSide {
  readonly port: number;
  close(): void;
}

/** An HTTP API that answers as Resend does, `afterMs` later. `onMail` is called with the request's body when all of it is here. */
export function openHttp(onMail: (body: string) => void, afterMs = 0): Promise<FarSide> {
  let count = 0;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      // The monitor asks about the account: that is no mail.
      const isMail = request.method === 'POST';
      if (isMail) count += 1;
      const body = JSON.stringify({ id: `made-up-${count}` });
      const answer = () => {
        if (isMail) onMail(Buffer.concat(parts).toString('latin1'));
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
      };
      if (afterMs > 0) setTimeout(answer, afterMs);
      else answer();
    });
  });
  server.keepAliveTimeout = 60_000;
  return listening(server);
}

/** A relay: no more of SMTP than it needs to take a mail. */
export function openRelay(onMail: (text: string) => void): Promise<FarSide> {
  const server = createSmtp((socket) => {
    let rest = '';
    let inMail = false;
    socket.setNoDelay(true);
    socket.write('220 relay.example.net\r\n');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      rest += chunk.toString('latin1');
      for (;;) {
        const end = rest.indexOf(inMail ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const line = rest.slice(0, end);
        rest = rest.slice(end + (inMail ? 5 : 2));
        if (inMail) {
          inMail = false;
          onMail(line);
          socket.write('250 2.0.0 taken\r\n');
        } else if (/^DATA/i.test(line)) {
          inMail = true;
          socket.write('354 go on\r\n');
        } else if (/^EHLO/i.test(line)) socket.write('250-relay.example.net\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n');
        else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
        else socket.write('250 2.1.0 fine\r\n');
      }
    });
  });
  return listening(server);
}

function listening(server: ReturnType<typeof createSmtp>): Promise<FarSide> {
  return new Promise((done) => {
    server.listen(0, '127.0.0.1', () =>
      done({ port: (server.address() as { port: number }).port, close: () => server.close() }),
    );
  });
}

/** Settings with one provider, the HTTP API on this port, and one stream. @param secret of its webhooks, if it has any. */
export function toHttp(port: number, secret?: string): Record<string, unknown> {
  const url = `http://127.0.0.1:${port}`;
  const only = { type: 'resend', api_key: 're_made_up', base_url: url, max_concurrency: 1_000 };
  return {
    providers: { only: { ...only, ...(secret && { webhook_secret: secret }) } },
    streams: { default: { providers: ['only'] } },
  };
}

/** Settings with one provider, the relay on this port, and one stream. */
export function toRelay(port: number, connections: number): Record<string, unknown> {
  const only = {
    type: 'smtp',
    host: '127.0.0.1',
    port,
    tls: 'none',
    max_connections: connections,
    max_concurrency: 128,
  };
  return { providers: { only }, streams: { default: { providers: ['only'] } } };
}
