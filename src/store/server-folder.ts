// The data folder of the embedded Redis: its paths, its settings file, and what a person is told when Redis cannot live there.

import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  access,
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { constrainedMemory } from 'node:process';
import { messageOf } from '../core/error.ts';

/** The paths of one data folder. */
export interface ServerFolder {
  /** The real path: two names of one folder are one folder. */
  readonly path: string;
  readonly socket: string;
  /** Redis' settings, and, in a process' command line, the sign by which it is known as this folder's server. */
  readonly conf: string;
  readonly log: string;
}

// sun_path holds 104 bytes on macOS and the BSDs, 108 on Linux, with the final NUL.
const longestSocketPath = 100;

/**
 * Makes the folder if need be (0700) and sees that it can be written to.
 * @throws an error that says who cannot write where, and the mend.
 */
export async function prepareFolder(dataDir: string): Promise<ServerFolder> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const path = await realpath(dataDir);
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    if (!(await stat(path)).isDirectory()) throw Object.assign(new Error('it is not a folder'), { code: 'ENOTDIR' });
    const inside = join(path, 'redis.sock');
    const socket = Buffer.byteLength(inside) <= longestSocketPath ? inside : await socketElsewhere(path);
    return { path, socket, conf: join(path, 'redis.conf'), log: join(path, 'redis.log') };
  } catch (error) {
    const who = `uid ${process.getuid?.() ?? '?'}`;
    const why = messageOf(error);
    throw new Error(
      `Mailover (${who}) cannot use its data folder ${dataDir}: ${why}. Give it a folder of its own ` +
        `(chown -R ${process.getuid?.() ?? 'USER'} ${dataDir}), or name another in redis.data_dir or MAILOVER_DATA_DIR.`,
    );
  }
}

// Named by the folder, so that every process of the folder arrives at the same socket. It is ours alone: in a shared
// folder for temporary files somebody else could have been there first.
async function socketElsewhere(path: string): Promise<string> {
  const folder = join(tmpdir(), `mailover-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  if (!found.isDirectory() || (process.getuid && found.uid !== process.getuid())) {
    throw new Error(
      `its path is too long for a socket, and ${folder}, where the socket would go, belongs to somebody else`,
    );
  }
  await chmod(folder, 0o700);
  return join(folder, 'redis.sock');
}

/** Writes the settings. Left alone when they are there already: on a full disk Redis must still be able to start. */
export async function writeConf(folder: ServerFolder): Promise<void> {
  const wanted = conf(folder);
  if ((await readFile(folder.conf, 'utf8').catch(() => '')) === wanted) return;
  const draft = `${folder.conf}.${randomUUID()}`;
  await writeFile(draft, wanted, { mode: 0o600 });
  await rename(draft, folder.conf);
}

/**
 * Two ways in which Redis would start empty on a folder full of mail, and say nothing: a 6.2 does not look where 7 keeps its
 * log of writes, and without the manifest no Redis does.
 * @throws if a server of this version must not be started on the folder's data.
 */
export async function refuseToForget(folder: ServerFolder, version: string): Promise<void> {
  const logs = join(folder.path, 'appendonlydir');
  const names = await readdir(logs).catch(() => null);
  if (names === null) return;
  if (Number.parseInt(version, 10) < 7) {
    throw new Error(
      `The data in ${folder.path} were written by Redis 7 or newer, and Redis ${version} cannot read them. Install Redis 7 ` +
        'or newer, or Valkey.',
    );
  }
  if (names.includes('appendonly.aof.manifest')) return;
  for (const name of names) {
    // A first start that was cut short leaves empty files at most.
    if (!name.endsWith('.incr.aof') || (await stat(join(logs, name))).size === 0) continue;
    throw new Error(
      `${join(logs, name)} holds mail, but appendonly.aof.manifest beside it is missing. ${restore(folder)}`,
    );
  }
}

const conf = ({ path, socket }: ServerFolder) => `# Written by Mailover at every start: changes here are lost.
port 0
unixsocket ${quoted(socket)}
unixsocketperm 700
dir ${quoted(path)}
daemonize no
logfile ""
# The command line names this file, so that the server is known by it.
set-proc-title no

# A reply means "on disk".
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
save ""
# A torn last write was never acknowledged: it may go.
aof-load-truncated yes
# Mail comes and goes: what is alive is a small part of what was written, so rewriting is cheap and keeps restarts short.
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 128mb
# Sealed mail does not get smaller: to compress it makes a rewrite last half as long again, and the log smaller by a thirtieth.
rdbcompression no

maxmemory-policy noeviction
`;

/**
 * How much memory Redis may fill, in bytes. Half, because a rewrite of the log may need as much again; intake stops well
 * below it. Never without a limit: the kernel would kill Redis, which would come back just as large.
 */
export const memoryLimit = (): number =>
  Math.floor(Math.min(totalmem(), constrainedMemory() || Number.POSITIVE_INFINITY) / 2);

const quoted = (path: string) => `"${path.replace(/[\\"]/g, '\\$&')}"`;

/** Puts an overgrown log aside, so that there are never more than two. */
export async function turnLog(folder: ServerFolder): Promise<void> {
  const { size } = await stat(folder.log).catch(() => ({ size: 0 }));
  if (size > 4 * 1024 * 1024) await rename(folder.log, `${folder.log}.1`).catch(() => {});
}

/** What the folder's server has written since it started, at most the last 8 KiB. */
async function lastWords(folder: ServerFolder): Promise<string> {
  const file = await open(folder.log, 'r').catch(() => null);
  if (file === null) return '';
  try {
    const length = 8_192;
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, Math.max(0, size - length));
    const text = buffer.subarray(0, bytesRead).toString().trimEnd();
    const start = text.lastIndexOf('is starting oO0Oo');
    return start === -1 ? text : text.slice(text.indexOf('\n', start) + 1);
  } finally {
    await file.close();
  }
}

const restore = ({ path }: ServerFolder) =>
  `Stop every Mailover on this folder and put back a copy of ${join(path, 'appendonlydir')}; with none, move it aside, keep it ` +
  '(mail not yet sent is in it), and start with an empty one';

// What Redis writes before it gives up, in 6.2 to 8 and Valkey, and what helps. The first match counts.
const troubles: readonly (readonly [RegExp, (folder: ServerFolder) => string])[] = [
  [
    /No space left on device|Disk quota exceeded/i,
    ({ path }) =>
      `the disk of ${path} is full. Make room: nothing accepted is lost, and nothing is accepted until then`,
  ],
  [
    /Permission denied|Operation not permitted|Read-only file system/i,
    ({ path }) =>
      `it may not write there. If another user has run Mailover before: chown -R ${process.getuid?.() ?? 'USER'} ${path}`,
  ],
  [
    /Can't handle RDB format version/i,
    () => 'its data were written by a newer Redis. Install that version again, or a newer one',
  ],
  [
    /Bad file format reading the append only file|Unexpected end of file reading the append only file/i,
    ({ path }) =>
      `its log of writes is damaged. Stop every Mailover on this folder, copy ${join(path, 'appendonlydir')} somewhere safe, run ` +
      `redis-check-aof --fix ${join(path, 'appendonlydir', 'appendonly.aof.manifest')} (it cuts off what comes after the damage), and start again`,
  ],
  [
    /Internal error in RDB|Wrong RDB checksum|AOF MANIFEST|Invalid AOF manifest|Unable to obtain the AOF file|can't open the append log file/i,
    (folder) => `some of its data is damaged or missing. ${restore(folder)}`,
  ],
  [
    /FATAL CONFIG FILE ERROR/i,
    () => 'it does not understand its settings. Install redis-server or valkey-server 6.2 or newer',
  ],
  [/Out Of Memory|Cannot allocate memory|Can't allocate/i, () => 'it does not get enough memory for its data'],
];

/** Why Redis ended, and the mend, for a person: from what it last wrote. */
export async function explainEnd(folder: ServerFolder, how: string): Promise<string> {
  const words = await lastWords(folder);
  // On a full disk Redis cannot even write down that it is full.
  const { bavail, bsize } = await statfs(folder.path);
  const signs = bavail * bsize < 1_000_000 ? 'No space left on device' : words;
  const trouble = troubles.find(([sign]) => sign.test(signs));
  const why = trouble ? trouble[1](folder) : `see ${folder.log}`;
  const last = words
    .split('\n')
    .filter((line) => !line.includes('WARNING'))
    .slice(-6)
    .join('\n');
  return `Redis for the data folder ${folder.path} ended (${how}): ${why}.${last === '' ? '' : `\nIts last words:\n${last}`}`;
}
