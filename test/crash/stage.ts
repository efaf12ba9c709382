// The stage of a run: Redis and the five processes of the service, each with a line of its own to Redis, and whoever dies is started again.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { keys } from '../../src/store/keys.ts';
import { type Child, spawnChild } from '../support/child.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, testKey } from '../support/service.ts';
import { type SteppedClock, steppedClock } from '../support/shim.ts';
import { until } from '../support/until.ts';
import { type Member, members } from './schedule.ts';

/** One process of the service and its line to Redis. */
export interface Actor {
  readonly proxy: TestProxy;
  readonly clock: SteppedClock | null;
  /** Null while it is down. */
  readonly url: string | null;
  /** Waits until it is ready, for a while, and kills it; it is back after `forMs` and the time it takes to start. */
  kill(forMs: number): Promise<void>;
  /** SIGTERM, waits for its end, and starts it again. Gives its last words if it did not exit with 0. */
  stop(forMs: number): Promise<string[]>;
  /** Null while it is down. */
  readonly pid: number | null;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
}

/** All that runs. */
export interface Stage {
  readonly actors: Readonly<Record<Member, Actor>>;
  readonly redis: TestRedis;
  readonly redisClock: SteppedClock | null;
  /** One after the other, whoever asks. */
  withRedis(act: () => Promise<void>): Promise<void>;
  /** A process that ended though nobody had ended it: its last words. */
  readonly surprises: readonly string[];
  leader(): Promise<Member | null>;
  call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  /** Ends all in good order. Gives what did not exit with 0. */
  close(): Promise<string[]>;
}

/** What is different. */
export interface StageOptions {
  /** Every process, and Redis, goes by a clock of its own. */
  readonly clocks?: boolean;
  /** Only these processes; all five by default. */
  readonly cast?: readonly Member[];
}

/** Starts everything by these settings. */
export async function openStage(
  settings: Record<string, unknown>,
  { clocks = false, cast = members }: StageOptions = {},
): Promise<Stage> {
  const file = join(freshFolder('crash'), 'mailover.json');
  writeFileSync(file, JSON.stringify({ ...settings, encryption: { keys: [testKey] } }));
  const redisClock = clocks ? steppedClock() : null;
  const redis = await startRedis({ tcp: true, ...(redisClock && { env: redisClock.env }) });
  const redisPort = Number(new URL(redis.url).port);
  const client: Redis = await redis.client();
  const surprises: string[] = [];
  let closing = false;

  // What does not exit with 0 when told to stop has its last words read.
  async function lastWords(name: Member, child: Child): Promise<string[]> {
    const { code, signal } = await child.exit;
    return code === 0
      ? []
      : [`${name} exited with ${signal ?? code} when told to stop: ${child.output().slice(-2_000)}`];
  }

  async function act(name: Member): Promise<Actor & { readonly child: () => Child | null }> {
    const proxy = await startProxy({ port: redisPort });
    const clock = clocks ? steppedClock() : null;
    let child: Child | null = null;
    let url: string | null = null;
    let expected = false;
    let starting: Promise<void> = Promise.resolve();

    async function start(): Promise<void> {
      expected = false;
      const mine = await spawnChild('src/cli/main.ts', {
        args: ['serve', '--config', file, '--roles', name.split('-')[0]!],
        env: {
          MAILOVER_ADMIN_KEY: adminKey,
          REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
          PORT: '0',
          LOG_LEVEL: 'warn',
          ...clock?.env,
        },
      });
      child = mine;
      void mine.exit.then(({ code, signal }) => {
        if (child === mine) {
          child = null;
          url = null;
        }
        if (expected || closing) return;
        surprises.push(`${name} ended by itself (${signal ?? code}): ${mine.output().slice(-600)}`);
        starting = start();
      });
      // It may die again before it is ready.
      const line = await mine.waitFor('Mailover is ready', { within: 90_000 }).catch(() => null);
      if (line !== null && child === mine) url = /http:\S+/.exec(line)![0];
    }
    async function end(signal: 'SIGKILL' | 'SIGTERM', forMs: number): Promise<string[]> {
      await until(() => url !== null, { within: 20_000 }).catch(() => {});
      const mine = child;
      if (mine === null) return [];
      expected = true;
      url = null;
      // What is frozen cannot stop in good order.
      if (signal === 'SIGTERM') mine.kill('SIGCONT');
      mine.kill(signal);
      const words = signal === 'SIGTERM' ? await lastWords(name, mine) : [];
      await mine.exit;
      await pause(forMs);
      starting = start();
      return words;
    }
    starting = start();
    await starting;
    return {
      proxy,
      clock,
      get url() {
        return url;
      },
      child: () => child,
      get pid() {
        return child?.pid ?? null;
      },
      kill: async (forMs) => void (await end('SIGKILL', forMs)),
      stop: (forMs) => end('SIGTERM', forMs),
      signal: (signal) => child?.kill(signal),
    };
  }

  const started = await Promise.all(cast.map(async (name) => [name, await act(name)] as const));
  const actors = Object.fromEntries(started) as Record<Member, Awaited<ReturnType<typeof act>>>;
  let redisBusy: Promise<void> = Promise.resolve();

  return {
    actors,
    redis,
    redisClock,
    withRedis(work) {
      redisBusy = redisBusy.then(work);
      return redisBusy;
    },
    surprises,
    async leader() {
      const holder = await client.get(keys.leader);
      return cast.find((name) => holder?.includes(`-${actors[name].child()?.pid}-`)) ?? null;
    },
    async call(method, path, body) {
      const answer = await fetch(actors.api.url + path, {
        method,
        headers: {
          authorization: `Bearer ${adminKey}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(20_000),
      });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    async close() {
      closing = true;
      const ends = await Promise.all(
        cast.map(async (name) => {
          const child = actors[name].child();
          child?.kill('SIGTERM');
          const words = child ? await lastWords(name, child) : [];
          await actors[name].proxy.close();
          return words;
        }),
      );
      await redis.stop();
      return ends.flat();
    },
  };
}
