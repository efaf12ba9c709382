// The baseline of the reading benchmark: a bare Fastify route that answers with one hash of Redis, and nothing else.
import fastify from 'fastify';
import { Redis } from 'ioredis';

const redis = new Redis({ path: process.env.SOCKET ?? '' });
const app = fastify();
app.get('/:key', async (request) => redis.hgetall((request.params as { key: string }).key));
process.stdout.write(`ready ${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);
