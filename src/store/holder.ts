// At most one redis-server per data folder, whoever is killed when: the server itself holds the folder, with its own process id.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstat, open, readdir, readFile, readlink, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { memoryLimit, type ServerFolder, turnLog, writeConf } from './server-folder.ts';

// Two servers on one folder would destroy its data, and Redis itself does not look. So the folder keeps a succession of
// holders: symbolic links `redis.holder.N` whose target names a process. Making a link is atomic, takes no disk space, and
// N + 1 may be made only once the process of N is dead, so nobody ever takes away a lock that somebody else has just taken.
// Dying is letting go: there is nothing to clean up after a crash, and no time-out to wait for.
//
// The server cannot start before its link is there, nor survive its starter without one: it is born as a shell that waits
// for a word on its standard input, and becomes redis-server under the same process id. A starter that is killed on the
// way closes that input, and the shell is gone.
const gate = 'umask 077; read -r word && exec "$0" "$@" </dev/null';

/** Who holds a folder. */
export interface Holder {
  readonly number: number;
  readonly pid: number;
  /** Where the process id means something: containers count for themselves. */
  readonly namespace: string;
  /** Since when, epoch ms. */
  readonly since: number;
}

/** `how`: for a person. `gaveUp`: by itself and with a complaint, where it might have been stopped or killed. */
export interface End {
  readonly how: string;
  readonly gaveUp: boolean;
}

/** A server that was just started here. It may not answer yet. */
export interface Started {
  readonly pid: number;
  /** How it has ended; null while it lives. */
  ended(): End | null;
}

/** The holder that counts, dead or alive; null where there never was one. */
export async function currentHolder(folder: ServerFolder): Promise<Holder | null> {
  for (;;) {
    const number = Math.max(0, ...(await numbersIn(folder)));
    if (number === 0) return null;
    try {
      const [pid = '', namespace = ''] = (await readlink(linkOf(folder, number))).split(' ');
      const { mtimeMs } = await lstat(linkOf(folder, number));
      return { number, pid: Number(pid), namespace, since: mtimeMs };
    } catch (error) {
      // Gone between two looks: it has a successor.
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
}

/** Is this process alive, and this folder's server? A process id alone says little: after a restart it is somebody else's. */
export async function isServing({ pid, namespace, since }: Holder, folder: ServerFolder): Promise<boolean> {
  // Of another container's process we know nothing but that it would have opened its socket within moments.
  if (namespace !== (await ownNamespace())) return Math.abs(Date.now() - since) < 5_000;
  if (process.platform !== 'linux') {
    return new Promise((resolve) => {
      execFile('ps', ['-o', 'command=', '-p', String(pid)], (_, stdout) => resolve(stdout.includes(folder.conf)));
    });
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  if (command !== '') return command.split('\0').includes(folder.conf);
  // No command line: dead, a zombie, a thread of the kernel, or just turning from a shell into redis-server.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (stat === null) return false;
  const [state = '', , , , , , flags] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ofTheKernel = (Number(flags) & 0x00200000) !== 0;
  return !['Z', 'X', 'x'].includes(state) && !ofTheKernel;
}

/** Starts a server, in a session of its own so that a Ctrl-C for us does not reach it; null when somebody else has, or holds the folder still. */
export async function startServer(folder: ServerFolder, binary: string): Promise<Started | null> {
  const before = await currentHolder(folder);
  if (before !== null && (await isServing(before, folder))) return null;
  await writeConf(folder);
  await turnLog(folder);
  const log = await open(folder.log, 'a', 0o600);
  // Without our environment: it holds secrets, and Redis needs none of it.
  const child = spawn('/bin/sh', ['-c', gate, binary, folder.conf, '--maxmemory', String(memoryLimit())], {
    cwd: '/',
    detached: true,
    env: {},
    stdio: ['pipe', log.fd, log.fd],
  });
  try {
    child.stdin?.on('error', () => {});
    await once(child, 'spawn');
    if (child.pid === undefined || !(await succeed(folder, before?.number ?? 0, child.pid))) return null;
    let end: End | null = null;
    child.on('exit', (code, signal) => {
      end = { how: signal === null ? `exit code ${code}` : `signal ${signal}`, gaveUp: signal === null && code !== 0 };
    });
    child.stdin?.write('go\n');
    return { pid: child.pid, ended: () => end };
  } finally {
    child.stdin?.end();
    child.unref();
    await log.close();
  }
}

async function succeed(folder: ServerFolder, before: number, pid: number): Promise<boolean> {
  const number = before + 1;
  try {
    await symlink(`${pid} ${await ownNamespace()}`, linkOf(folder, number));
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
  // If we looked long ago, the succession may have moved on past our number and the links before it been tidied away.
  const numbers = await numbersIn(folder);
  const won = Math.max(...numbers) === number;
  for (const over of won ? numbers.filter((each) => each < number) : [number]) {
    await unlink(linkOf(folder, over)).catch(() => {});
  }
  return won;
}

async function numbersIn(folder: ServerFolder): Promise<number[]> {
  const names = await readdir(folder.path);
  return names.flatMap((name) => Number(/^redis\.holder\.(\d+)$/.exec(name)?.[1] ?? Number.NaN) || []);
}

const linkOf = (folder: ServerFolder, number: number) => join(folder.path, `redis.holder.${number}`);

const ownNamespace = () => readlink('/proc/self/ns/pid').catch(() => '');

const hasCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code;
