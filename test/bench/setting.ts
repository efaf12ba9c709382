// What benchmarks have in common: a Redis as durable as in production, our own process on it, and the bare one.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, spawnChild } from '../support/child.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, testKey } from '../support/service.ts';

/** A process of ours, where it listens. */
export interface OwnProcess extends Child {
  readonly url: string;
}

/** One Redis, and our processes on it. */
export interface Setting {
  readonly redis: TestRedis;
  /** Starts `mailover serve` with these roles; ready when this resolves. */
  serve(roles: string, nodeFlags?: readonly string[]): Promise<OwnProcess>;
  /** Starts a baseline; it prints `ready` and its address, if it has one. */
  bare(entry: string, env?: Record<string, string>): Promise<OwnProcess>;
  /** Ends all of it. */
  close(): Promise<void>;
}

/** Headers of a call of the API. */
export const authorized = { authorization: `Bearer ${adminKey}` };

/** @param settings as in the settings file; Redis and the encryption key are filled in. */
export async function openSetting(settings: Record<string, unknown>): Promise<Setting> {
  const redis = await startRedis();
  const file = join(freshFolder('bench'), 'mailover.json');
  writeFileSync(file, JSON.stringify({ ...settings, redis: { url: redis.url }, encryption: { keys: [testKey] } }));
  const children: Child[] = [];
  const started = async (child: Child, sign: string): Promise<OwnProcess> => {
    children.push(child);
    const line = await child.waitFor(sign, { within: 60_000 });
    return Object.assign(child, { url: /http:\S+/.exec(line)?.[0] ?? '' });
  };
  return {
    redis,
    async serve(roles, nodeFlags = []) {
      const child = await spawnChild('src/cli/main.ts', {
        args: ['serve', '--config', file, '--roles', roles],
        env: { MAILOVER_ADMIN_KEY: adminKey, PORT: '0', LOG_LEVEL: 'silent', NODE_ENV: 'production' },
        nodeFlags,
      });
      return started(child, 'Mailover is ready');
    },
    async bare(entry, env = {}) {
      const child = await spawnChild(entry, {
        env: { SOCKET: redis.socketPath, NODE_ENV: 'production', ...env },
      });
      return started(child, 'ready');
    },
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(children.map(({ exit }) => exit));
      await redis.stop();
    },
  };
}

/** A mail as applications send them: a kilobyte of text, and a recipient of its own. */
export function mail(index: number): string {
  return JSON.stringify({
    from: 'Acme <hello@acme.example>',
    to: `person${index}@example.com`,
    subject: 'Your password',
    text: 'Somebody has asked for a new password. '.repeat(26),
    tags: [{ name: 'kind', value: 'reset' }],
  });
}
