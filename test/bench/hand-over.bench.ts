// Hand-over: mails a second from the queue to a provider, by HTTP and by SMTP, beside a bare worker that does nothing but the call.
import { createServer, type Server } from 'node:http';
import { createServer as createSmtp, type Server as SmtpServer } from 'node:net';
import { Queue } from 'bullmq';
import { afterAll, expect, test } from 'vitest';
import { until } from '../support/until.ts';
import { compare, rate } from './load.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire } from './wire.ts';

const rounds = 5;
const count = 3_000;
const concurrency = 32;

/** When each mail arrived, ms. */
let arrivals: number[] = [];
let http: Server;
let smtp: SmtpServer;
let setting: Setting | null = null;
afterAll(async () => {
  await setting?.close();
  http?.close();
  smtp?.close();
});

/** A provider that takes everything at once. */
function provider(): Promise<string> {
  http = createServer((request, response) => {
    request.resume().on('end', () => {
      arrivals.push(performance.now());
      const body = JSON.stringify({ id: `made-up-${arrivals.length}` });
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
    });
  });
  http.keepAliveTimeout = 60_000;
  return new Promise((done) => {
    http.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${(http.address() as { port: number }).port}`));
  });
}

/** A relay that takes everything at once: no more of SMTP than that needs. */
function relay(): Promise<number> {
  smtp = createSmtp((socket) => {
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
          arrivals.push(performance.now());
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
  return new Promise((done) => {
    smtp.listen(0, '127.0.0.1', () => done((smtp.address() as { port: number }).port));
  });
}

/** Of the mails that arrive: how many a second, without the first tenth and the last twentieth. */
async function measured(start: () => Promise<{ kill(signal: 'SIGKILL' | 'SIGTERM'): void; exit: Promise<unknown> }>) {
  arrivals = [];
  const process = await start();
  await until(() => arrivals.length >= count, { within: 120_000, what: 'all mails to arrive', every: 20 });
  process.kill('SIGTERM');
  await process.exit;
  const [from, to] = [Math.floor(count * 0.1), Math.floor(count * 0.95)];
  return ((to - from) * 1_000) / (arrivals[to]! - arrivals[from]!);
}

test.each(['http', 'smtp'] as const)('hand-over by %s', async (how) => {
  const url = how === 'http' ? await provider() : '';
  const port = how === 'smtp' ? await relay() : 0;
  const only =
    how === 'http'
      ? { type: 'resend', api_key: 're_made_up', base_url: url, max_concurrency: 128 }
      : { type: 'smtp', host: '127.0.0.1', port, tls: 'none', max_connections: concurrency, max_concurrency: 128 };
  setting = await openSetting({ providers: { only }, streams: { default: { providers: ['only'] } } });
  const own = setting;
  const api = await own.serve('api');
  const wire = await openWire(api.url, concurrency, authorized);
  const client = await own.redis.client();
  const queue = new Queue('bare', { connection: client });
  const env: Record<string, string> = {
    CONCURRENCY: String(concurrency),
    ...(how === 'http' ? { HTTP: url } : { SMTP: String(port) }),
  };
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await rate(count, concurrency, async (index) => {
      expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);
    });
    ours.push(await measured(() => own.serve('worker')));
    const jobs = Array.from({ length: count }, (_, index) => ({
      name: 'send',
      data: JSON.parse(mail(index)) as object,
      opts: { removeOnComplete: true },
    }));
    await queue.addBulk(jobs);
    bare.push(await measured(() => own.bare('test/bench/bare-worker.ts', env)));
  }
  process.stdout.write(`${compare(`hand-over by ${how}`, ours, bare)}\n`);
  wire.close();
  await own.close();
  setting = null;
});
