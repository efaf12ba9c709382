// A primary, its replicas and three sentinels that watch them, each a process of its own on 127.0.0.1.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { requireRedis, thisMachine } from '../../src/store/redis-binary.ts';
import { freePort, startRedis, type TestRedis } from './redis.ts';
import { freshFolder } from './run-folder.ts';
import { until } from './until.ts';

/** A Redis that outlives the loss of its primary. */
export interface Sentinels {
  /** `redis+sentinel://…` */
  readonly url: string;
  /** The first one is the primary, to begin with. */
  readonly servers: readonly TestRedis[];
  stop(): Promise<void>;
}

const count = 3;
const name = 'mymaster';

/** Starts it; ready when the replicas have caught up and the sentinels know each other. */
export async function startSentinels(replicas: number): Promise<Sentinels> {
  const { path: binary } = await requireRedis(thisMachine(process.env));
  const primary = await startRedis({ tcp: true });
  const port = new URL(primary.url).port;
  const servers = [primary];
  for (let n = 0; n < replicas; n++)
    servers.push(await startRedis({ tcp: true, settings: { replicaof: `127.0.0.1 ${port}` } }));
  const client = await primary.client();
  await until(async () => new RegExp(`^connected_slaves:${replicas}\r?$`, 'm').test(await client.info('replication')), {
    what: 'the replicas',
  });

  const children: ChildProcess[] = [];
  const ports: number[] = [];
  for (let n = 0; n < count; n++) {
    const own = await freePort();
    const conf = join(freshFolder('sentinel'), 'sentinel.conf');
    writeFileSync(
      conf,
      [
        `port ${own}`,
        'bind 127.0.0.1',
        `sentinel monitor ${name} 127.0.0.1 ${port} 2`,
        `sentinel down-after-milliseconds ${name} 500`,
        `sentinel failover-timeout ${name} 3000`,
        '',
      ].join('\n'),
    );
    children.push(spawn(binary, [conf, '--sentinel'], { stdio: 'ignore' }));
    ports.push(own);
  }
  const killNow = () => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.on('exit', killNow);
  for (const own of ports) {
    const asking = new Redis({ port: own, retryStrategy: () => 50, maxRetriesPerRequest: null });
    asking.on('error', () => {});
    await until(
      async () => {
        const said = await asking.call('SENTINEL', 'MASTER', name);
        const text = JSON.stringify(said);
        return text.includes(`"num-slaves","${replicas}"`) || text.includes(`"num-slaves":"${replicas}"`);
      },
      { what: 'the sentinels to know the replicas' },
    );
    asking.disconnect();
  }
  return {
    url: `redis+sentinel://${ports.map((own) => `127.0.0.1:${own}`).join(',')}/${name}`,
    servers,
    async stop() {
      const gone = children.map((child) => once(child, 'exit'));
      killNow();
      await Promise.all(gone);
      process.off('exit', killNow);
      for (const server of servers) await server.stop();
    },
  };
}
