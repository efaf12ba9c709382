// The baseline of the intake benchmark: a bare Fastify route with one `queue.add`, and nothing else.
import { Queue } from 'bullmq';
import fastify from 'fastify';
import { Redis } from 'ioredis';

const queue = new Queue('bare', {
  connection: new Redis({ path: process.env.SOCKET ?? '', maxRetriesPerRequest: null }),
});
const app = fastify();
app.post('/v1/emails', async (request, reply) => {
  const job = await queue.add('send', request.body, { removeOnComplete: true });
  return reply.code(202).send({ id: job.id, object: 'email', status: 'queued' });
});
process.stdout.write(`ready ${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);
