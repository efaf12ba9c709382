// The embedded Redis through real processes: shared, restarted, left and stopped; killed at every point.
import {
  chmodSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { checkDurability } from '../../src/store/durability.ts';
import { type Child, spawnChild } from '../support/child.ts';
import { freshFolder, processesNaming, runFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';

const entry = 'test/support/embedded-child.ts';
const children: Child[] = [];
const clients: Redis[] = [];
const folders: string[] = [];

function dataFolder(): string {
  const folder = freshFolder('data');
  folders.push(folder);
  return folder;
}

async function member(folder: string, options: { binary?: string; uid?: number } = {}): Promise<Child> {
  const { binary, uid } = options;
  const child = await spawnChild(entry, {
    args: [folder, ...(binary === undefined ? [] : [binary])],
    // Where sockets go whose own folder has too long a path.
    env: { TMPDIR: runFolder() },
    ...(uid === undefined ? {} : { uid }),
  });
  children.push(child);
  return child;
}

async function readyMember(folder: string): Promise<Child & { socket: string }> {
  const child = await member(folder);
  const line = await child.waitFor(/^ready /);
  return { ...child, socket: line.slice('ready '.length) };
}

function client(socket: string): Redis {
  const redis = new Redis({ path: socket, maxRetriesPerRequest: null, retryStrategy: () => 20 });
  redis.on('error', () => {});
  clients.push(redis);
  return redis;
}

/** The process ids of the folder's servers that live, as the process table has them. */
const servers = (folder: string) => processesNaming('redis-server', join(folder, 'redis.conf'));

async function closeMember(child: Child): Promise<void> {
  child.kill('SIGTERM');
  await child.waitFor('closed');
  expect(await child.exit).toEqual({ code: 0, signal: null });
}

afterEach(async () => {
  for (const redis of clients.splice(0)) redis.disconnect();
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await child.exit;
  }
  for (const folder of folders.splice(0)) for (const pid of servers(folder)) process.kill(pid, 'SIGKILL');
});

const realRedis = process.env.MAILOVER_TEST_REDIS ?? '';

/** A server program of our own making. */
function program(folder: string, name: string, script: string, version = '7.0.15'): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `#!/bin/sh\nif [ "$1" = --version ]; then echo "Redis server v=${version} sha=0"; exit; fi\n${script}\n`,
    { mode: 0o755 },
  );
  return path;
}

describe('the embedded Redis', () => {
  it('starts durable, private, in a folder it makes, and is stopped by the only process that used it', async () => {
    const folder = join(dataFolder(), 'made', 'here');
    const only = await readyMember(folder);
    expect(only.socket).toBe(join(folder, 'redis.sock'));
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(only.socket).mode & 0o777).toBe(0o700);
    for (const name of ['redis.log', 'appendonlydir', 'redis.conf']) {
      expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0);
    }
    const redis = client(only.socket);
    expect(await checkDurability(redis)).toEqual({ ok: true, faults: [], hidden: false });
    expect(await redis.config('GET', 'port')).toEqual(['port', '0']);
    expect(await redis.config('GET', 'rdbcompression')).toEqual(['rdbcompression', 'no']);
    const [, maxmemory] = (await redis.config('GET', 'maxmemory')) as string[];
    expect(Number(maxmemory)).toBeGreaterThan(0);
    expect(Number(maxmemory)).toBeLessThanOrEqual(totalmem() / 2);
    await redis.set('mail', 'kept');
    expect(servers(folder)).toHaveLength(1);
    await closeMember(only);
    expect(servers(folder)).toEqual([]);

    const again = await readyMember(folder);
    expect(await client(again.socket).get('mail')).toBe('kept');
    await closeMember(again);
    expect(servers(folder)).toEqual([]);
  });

  it('gives the server none of the secrets in our environment, and a session of its own', async () => {
    const folder = dataFolder();
    const child = await spawnChild(entry, { args: [folder], env: { MAILOVER_ADMIN_KEY: 'made-up-secret-made-up' } });
    children.push(child);
    await child.waitFor(/^ready /);
    const [server = 0] = servers(folder);
    if (process.platform === 'linux') {
      const session = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3];
      expect(Number(session(server))).toBe(server);
      expect(session(child.pid)).not.toBe(session(server));
      expect(readFileSync(`/proc/${server}/environ`, 'utf8')).not.toContain('made-up');
    }
  });

  it('is shared by a second process and stopped by the last of them', async () => {
    const folder = dataFolder();
    const first = await readyMember(folder);
    const second = await readyMember(folder);
    expect(second.socket).toBe(first.socket);
    const [server = 0, ...others] = servers(folder);
    expect(others).toEqual([]);
    await closeMember(first);
    expect(servers(folder)).toEqual([server]);
    expect(await client(second.socket).ping()).toBe('PONG');
    await closeMember(second);
    expect(servers(folder)).toEqual([]);
  });

  it('is one server when five processes start at the same moment', async () => {
    const folder = dataFolder();
    const five = await Promise.all(Array.from({ length: 5 }, () => readyMember(folder)));
    expect(servers(folder)).toHaveLength(1);
    const holders = readdirSync(folder).filter((name) => name.startsWith('redis.holder.'));
    expect(holders).toHaveLength(1);
    expect(five.flatMap(({ stdout }) => stdout.filter((line) => line === 'lost'))).toEqual([]);
    // And all may leave at the same moment: somebody is the last.
    await Promise.all(five.map(closeMember));
    expect(servers(folder)).toEqual([]);
  });

  it('is restarted after a kill -9, with all it had acknowledged, by one of its processes', async () => {
    const folder = dataFolder();
    const three = await Promise.all(Array.from({ length: 3 }, () => readyMember(folder)));
    const redis = client(three[0]?.socket ?? '');
    for (let round = 1; round <= 3; round += 1) {
      await redis.set(`round:${round}`, 'acknowledged');
      const [server = 0] = servers(folder);
      const counts = three.map(({ stdout }) => stdout.length);
      process.kill(server, 'SIGKILL');
      await Promise.all(three.map((child, index) => child.waitFor(/^back$/, { after: counts[index] ?? 0 })));
      // One that has lost the race may still be on its way out.
      await until(() => servers(folder).length === 1, { what: 'a single server' });
      expect(servers(folder)).not.toContain(server);
      expect(await redis.get(`round:${round}`)).toBe('acknowledged');
    }
    expect(await redis.keys('round:*')).toHaveLength(3);
    // Thrice in a row is no accident any more, and said so.
    expect(three[0]?.output()).toMatch(/^error the embedded Redis keeps ending/m);
    await Promise.all(three.map(closeMember));
    expect(servers(folder)).toEqual([]);
  });

  it('outlives a kill -9 of the process that started it, which does not count as a user any more', async () => {
    const folder = dataFolder();
    const starter = await readyMember(folder);
    const other = await readyMember(folder);
    const [server = 0] = servers(folder);
    starter.kill('SIGKILL');
    await starter.exit;
    expect(await client(other.socket).ping()).toBe('PONG');
    expect(servers(folder)).toEqual([server]);
    await closeMember(other);
    expect(servers(folder)).toEqual([]);
  });

  it('is taken over as it is by the next start when all its processes were killed', async () => {
    const folder = dataFolder();
    const lone = await readyMember(folder);
    const [server = 0] = servers(folder);
    lone.kill('SIGKILL');
    await lone.exit;
    expect(servers(folder)).toEqual([server]);
    const next = await readyMember(folder);
    expect(servers(folder)).toEqual([server]);
    await closeMember(next);
    expect(servers(folder)).toEqual([]);
  });

  it.each(['redis.conf', 'redis.log', 'redis.holder.1', 'redis.sock'])(
    'starts again at once after the start was killed when it had come to %s',
    async (milestone) => {
      const folder = dataFolder();
      const first = await member(folder);
      await until(() => readdirSync(folder).includes(milestone), { what: milestone });
      first.kill('SIGKILL');
      await first.exit;
      const began = performance.now();
      const second = await readyMember(folder);
      expect(performance.now() - began).toBeLessThan(5_000);
      expect(servers(folder)).toHaveLength(1);
      await closeMember(second);
      expect(servers(folder)).toEqual([]);
    },
  );

  it('does not take a process id for its server that has become somebody else’s', async () => {
    const folder = dataFolder();
    const first = await readyMember(folder);
    await closeMember(first);
    const [holder = ''] = readdirSync(folder).filter((name) => name.startsWith('redis.holder.'));
    const [pid, namespace] = readlinkSync(join(folder, holder)).split(' ');
    expect(Number(pid)).toBeGreaterThan(1);
    // As after a restart of the machine: the id in the folder is alive, but no Redis.
    const next = `redis.holder.${Number(holder.split('.')[2]) + 1}`;
    symlinkSync(`${process.pid} ${namespace}`, join(folder, next));
    const second = await readyMember(folder);
    await closeMember(second);
  });

  it('gives a server of another container, whose process it cannot see, time to open its socket', async () => {
    const folder = dataFolder();
    symlinkSync('7 pid:[1]', join(folder, 'redis.holder.1'));
    const began = performance.now();
    const child = await readyMember(folder);
    expect(performance.now() - began).toBeGreaterThan(4_500);
    await closeMember(child);
    // One that was there long ago is gone.
    symlinkSync('7 pid:[1]', join(folder, 'redis.holder.9'));
    lutimesSync(join(folder, 'redis.holder.9'), new Date(), new Date(Date.now() - 60_000));
    const again = performance.now();
    await closeMember(await readyMember(folder));
    expect(performance.now() - again).toBeLessThan(4_500);
  });

  it('always serves whoever joins while the last one leaves', async () => {
    const folder = dataFolder();
    let leaving = await readyMember(folder);
    for (let round = 0; round < 4; round += 1) {
      const joining = member(folder);
      leaving.kill('SIGTERM');
      const child = await joining;
      const line = await child.waitFor(/^ready /);
      const redis = client(line.slice('ready '.length));
      await leaving.waitFor('closed');
      await until(async () => (await redis.incr('rounds')) === round + 1, { what: 'a server for the joining process' });
      redis.disconnect();
      leaving = { ...child, socket: '' };
    }
    await closeMember(leaving);
    expect(servers(folder)).toEqual([]);
  });

  it('puts the socket elsewhere, privately, when the folder’s path is too long for one', async () => {
    const folder = join(dataFolder(), 'long'.repeat(30));
    const first = await readyMember(folder);
    expect(Buffer.byteLength(first.socket)).toBeLessThanOrEqual(100);
    expect(first.socket.startsWith(join(runFolder(), 'mailover-'))).toBe(true);
    expect(statSync(join(first.socket, '..')).mode & 0o777).toBe(0o700);
    const second = await readyMember(folder);
    expect(second.socket).toBe(first.socket);
    expect(await client(second.socket).ping()).toBe('PONG');
    await closeMember(first);
    await closeMember(second);
    expect(servers(folder)).toEqual([]);
  });

  it('is waited for while it loads its data, however long, which is said', async () => {
    const folder = dataFolder();
    const first = await readyMember(folder);
    const redis = client(first.socket);
    await redis.mset(Object.fromEntries(Array.from({ length: 2_000 }, (_, key) => [`key:${key}`, 'x'.repeat(100)])));
    // Into the base file, which is loaded key by key.
    await redis.bgrewriteaof();
    await until(async () =>
      /aof_rewrite_in_progress:0[\s\S]*aof_rewrite_scheduled:0/.test(await redis.info('persistence')),
    );
    await closeMember(first);

    const slow = program(
      folder,
      'slow',
      `exec ${realRedis} "$1" --key-load-delay 1000 --loading-process-events-interval-bytes 1024`,
    );
    const starter = await member(folder, { binary: slow });
    await starter.waitFor('info the embedded Redis is loading its data; waiting for it');
    expect(starter.stdout.some((line) => line.startsWith('ready'))).toBe(false);
    const second = await member(folder, { binary: slow });
    await Promise.all([starter, second].map((child) => child.waitFor(/^ready /)));
    expect(await client(first.socket).dbsize()).toBe(2_000);
    expect(servers(folder)).toHaveLength(1);

    // Whoever leaves while it is loading stops it all the same, if nobody else is there.
    await closeMember(second);
    const said = starter.stdout.length;
    for (const pid of servers(folder)) process.kill(pid, 'SIGKILL');
    await starter.waitFor('info the embedded Redis is loading its data', { after: said });
    await closeMember(starter);
    expect(starter.stdout).not.toContain('back');
    expect(servers(folder)).toEqual([]);
  });

  it('is left running by a process that cannot reach it, and does not keep that process from ending', async () => {
    const folder = dataFolder();
    const only = await readyMember(folder);
    const [server = 0] = servers(folder);
    process.kill(server, 'SIGSTOP');
    only.kill('SIGTERM');
    await only.waitFor('closed');
    expect(only.output()).toContain('warn the embedded Redis did not answer when this process left it');
    process.kill(server, 'SIGKILL');
  });
});

describe('what it says when it cannot', () => {
  it('write to the folder', async () => {
    const file = join(dataFolder(), 'file');
    writeFileSync(file, '');
    const child = await member(join(file, 'data'));
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.output()).toContain(`cannot use its data folder ${file}/data: `);
    expect(child.output()).toContain('MAILOVER_DATA_DIR');
  });

  it('write to the folder, which is another user’s', async () => {
    const folder = join(dataFolder(), 'theirs');
    mkdirSync(folder, { mode: 0o755 });
    const root = process.getuid?.() === 0;
    if (root) chmodSync(join(folder, '..'), 0o755);
    else chmodSync(folder, 0o555);
    const child = await member(folder, root ? { uid: 65_534 } : {});
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.output()).toMatch(/uid \d+\) cannot use its data folder .*EACCES/);
    expect(existsSync(join(folder, 'redis.conf'))).toBe(false);
  });

  it('use the program: too old, or none', async () => {
    const folder = dataFolder();
    const old = join(folder, 'redis-server');
    writeFileSync(old, '#!/bin/sh\necho "Redis server v=5.0.14 sha=00000000:0 malloc=libc bits=64 build=0"\n', {
      mode: 0o755,
    });
    const child = await member(join(folder, 'data'), { binary: old });
    expect(await child.exit).toEqual({ code: 1, signal: null });
    expect(child.output()).toContain(`${old} is Redis 5.0.14, too old: Mailover needs 6.2.0 or newer.`);
    const none = await member(join(folder, 'data'), { binary: join(folder, 'nothing') });
    expect((await none.exit).code).toBe(1);
    expect(none.output()).toContain('does not run as a Redis');
  });

  it('let an older Redis start empty on a newer one’s data', async () => {
    const folder = dataFolder();
    mkdirSync(join(folder, 'data', 'appendonlydir'), { recursive: true });
    const older = program(folder, 'older', '', '6.2.14');
    const child = await member(join(folder, 'data'), { binary: older });
    expect((await child.exit).code).toBe(1);
    expect(child.output()).toContain('written by Redis 7 or newer, and Redis 6.2.14 cannot read them');
  });

  it.each([
    ["Can't open the append-only file: No space left on device", 'Make room'],
    ['Fatal error loading the DB: Permission denied. Exiting.', 'chown -R'],
    ['*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***', 'does not understand its settings'],
    ["Can't handle RDB format version 12", 'newer Redis'],
    ['something else', 'see '],
  ])('start, with the mend: %s', async (words, mend) => {
    const folder = dataFolder();
    const broken = program(folder, 'broken', `echo "${words}"; exit 1`);
    const child = await member(folder, { binary: broken });
    expect((await child.exit).code).toBe(1);
    expect(child.output()).toContain(`Redis for the data folder ${folder} ended (exit code 1): `);
    expect(child.output()).toContain(mend);
    expect(child.output()).toContain(words);
  });

  it.each([
    [
      'a first part that is damaged',
      (logs: string, names: string[]) => writeFileSync(join(logs, names[0] ?? ''), 'REDIS0010 no'),
    ],
    ['a part that is missing', (logs: string, names: string[]) => rmSync(join(logs, names[1] ?? ''))],
    ['a manifest that is damaged', (logs: string, names: string[]) => writeFileSync(join(logs, names[2] ?? ''), 'no')],
    [
      'no manifest, with which Redis would start empty',
      (logs: string, names: string[]) => rmSync(join(logs, names[2] ?? '')),
    ],
  ])('read all of its data: %s', async (_, damage) => {
    const folder = dataFolder();
    const child = await readyMember(folder);
    await client(child.socket).set('mail', 'kept');
    await closeMember(child);
    const logs = join(folder, 'appendonlydir');
    const names = readdirSync(logs).sort();
    expect(names).toEqual(['appendonly.aof.1.base.rdb', 'appendonly.aof.1.incr.aof', 'appendonly.aof.manifest']);
    damage(logs, names);
    const next = await member(folder);
    expect((await next.exit).code).toBe(1);
    expect(next.output()).toMatch(/missing|damaged/);
    expect(next.output()).toContain(`put back a copy of ${logs}`);
  });

  it('read its data', async () => {
    const folder = dataFolder();
    const child = await readyMember(folder);
    await client(child.socket).set('mail', 'kept');
    await closeMember(child);
    const logs = join(folder, 'appendonlydir');
    const name = readdirSync(logs).find((file) => file.endsWith('.incr.aof')) ?? '';
    writeFileSync(join(logs, name), 'no commands at all\r\n'.repeat(20));
    const next = await member(folder);
    expect((await next.exit).code).toBe(1);
    expect(next.output()).toContain('its log of writes is damaged');
    expect(next.output()).toContain(`redis-check-aof --fix ${join(logs, 'appendonly.aof.manifest')}`);
    expect(next.output()).toContain('Bad file format reading the append only file');
  });
});
