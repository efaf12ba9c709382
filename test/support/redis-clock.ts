// A connection on which the service's scripts read a clock that the test sets, in place of Redis' own.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

let made = 0;

/** `client` with another clock for `TIME`, in scripts and out of them. Expiry goes by Redis' own all the same. */
export function withClock(client: Redis, now: () => number): Redis {
  const key = `test-clock-${made++}`;
  // Right before the command on the same connection, so that nothing of ours comes between the two.
  const set = () => {
    client.hset(key, { s: Math.floor(now() / 1_000), us: (now() % 1_000) * 1_000 }).catch(() => {});
  };
  const own: Partial<Record<string | symbol, unknown>> = {
    evalsha: () => Promise.reject(new Error('NOSCRIPT')),
    eval: async (lua: string, ...rest: [number, ...string[]]) => {
      // Its key comes last and is taken away at once: scripts count their keys.
      const clocked = `local clock = table.remove(KEYS) ${lua.replaceAll("redis.call('TIME')", "redis.call('HMGET', clock, 's', 'us')")}`;
      const [count, ...args] = rest;
      const all = [count + 1, ...args.slice(0, count), key, ...args.slice(count)] as [number, ...string[]];
      set();
      return client.evalsha(createHash('sha1').update(clocked).digest('hex'), ...all).catch((error: unknown) => {
        if (!String(error).includes('NOSCRIPT')) throw error;
        set();
        return client.eval(clocked, ...all);
      });
    },
    time: () => {
      set();
      return client.hmget(key, 's', 'us');
    },
    pipeline: () => {
      set();
      const pipeline = client.pipeline();
      return Object.assign(pipeline, { time: () => pipeline.hmget(key, 's', 'us') });
    },
  };
  return new Proxy(client, {
    get(target, name) {
      if (name in own) return own[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
