// The baseline of the webhook benchmark: a bare Fastify route that verifies a secret and writes the body, durably, and does nothing else.
import fastify from 'fastify';
import { Redis } from 'ioredis';

const redis = new Redis({ path: process.env.SOCKET ?? '' });
const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.post('/webhooks/first', async (request, reply) => {
  if (request.headers['x-secret'] !== process.env.SECRET) return reply.code(401).send();
  await redis.xadd('bare', 'MAXLEN', '~', 1_000, '*', 'body', request.body as Buffer);
  return reply.send('recorded');
});
process.stdout.write(`ready ${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);
