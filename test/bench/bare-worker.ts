// The baseline of the hand-over benchmark: a bare BullMQ worker that does one `fetch`, or one `sendMail` over pooled connections, per job.
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { createTransport } from 'nodemailer';

const { SOCKET = '', HTTP, SMTP } = process.env;
const connection = new Redis({ path: SOCKET, maxRetriesPerRequest: null });
const concurrency = Number(process.env.CONCURRENCY);

interface Mail {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

async function byHttp(mail: Mail): Promise<void> {
  const answer = await fetch(`${HTTP}/emails`, {
    method: 'POST',
    headers: { authorization: 'Bearer made-up', 'content-type': 'application/json' },
    body: JSON.stringify(mail),
  });
  await answer.json();
  if (!answer.ok) throw new Error(String(answer.status));
}

const transport = SMTP
  ? createTransport({
      host: '127.0.0.1',
      port: Number(SMTP),
      pool: true,
      maxConnections: concurrency,
      maxMessages: 1_000_000,
      secure: false,
      ignoreTLS: true,
    })
  : null;
const send = transport ? (mail: Mail) => transport.sendMail(mail) : byHttp;

const worker = new Worker('bare', (job) => send(job.data as Mail).then(() => {}), {
  connection,
  concurrency,
  removeOnComplete: { count: 0 },
});
await worker.waitUntilReady();
process.stdout.write('ready\n');
