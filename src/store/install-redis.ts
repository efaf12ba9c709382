// The step before `npm start`: makes sure there is a Redis to start, or says how to get one.
import { messageOf } from '../core/error.ts';
import { ensureRedis, thisMachine } from './redis-binary.ts';

// With a Redis elsewhere there is nothing to install.
if (!process.env.REDIS_URL) {
  try {
    await ensureRedis(thisMachine(process.env));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}
