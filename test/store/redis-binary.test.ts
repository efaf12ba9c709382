// Finding and installing a Redis on made-up machines: folders of shell scripts, run as real processes.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  checkBinary,
  ensureRedis,
  findRedis,
  isNewEnough,
  type Machine,
  requireRedis,
} from '../../src/store/redis-binary.ts';
import { spawnChild } from '../support/child.ts';
import { freshFolder } from '../support/run-folder.ts';

let folder: string;
let said: string[];

function place(where: string, name: string, script: string): string {
  mkdirSync(join(folder, where), { recursive: true });
  const path = join(folder, where, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

const server = (line: string) => `[ "$1" = --version ] && echo "${line}"`;
const redis = (version: string) =>
  server(`Redis server v=${version} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0`);
const valkey = (version: string) =>
  server(`Valkey server v=${version} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0`);

/** A machine whose PATH is `path` and whose usual folder is `usual`, with nothing of the real one. */
function machine(change: Partial<Machine> = {}): Machine {
  return {
    env: { PATH: join(folder, 'path'), KEPT: 'for the package manager' },
    platform: 'linux',
    uid: 0,
    folders: [join(folder, 'usual')],
    say: (line) => said.push(line),
    ...change,
  };
}

/** A package manager that notes how it was called and, where it carries the package, puts a server into `usual`. */
function packageManager(name: string, packages: Record<string, { program: string; script: string }>) {
  const arms = Object.entries(packages).map(([pack, { program, script }]) => {
    const source = place(`store-${name}`, program, script);
    return `*" ${pack} ") cp ${source} ${join(folder, 'usual')}/ ;;`;
  });
  mkdirSync(join(folder, 'usual'), { recursive: true });
  const script = [
    `echo "$*" DEBIAN_FRONTEND=$DEBIAN_FRONTEND RUNLEVEL=$RUNLEVEL KEPT=$KEPT >> ${folder}/called`,
    'PATH=/usr/bin:/bin',
    'case " $* " in',
    ...arms,
    '*" update ") ;;',
    '*) echo "no such package" >&2; exit 100 ;;',
    'esac',
  ].join('\n');
  place('path', name, script);
}

const calls = () => readFileSync(join(folder, 'called'), 'utf8').trim().split('\n');

beforeEach(() => {
  folder = freshFolder('machine');
  said = [];
});

describe('findRedis', () => {
  it('takes what PATH has before what the usual folders have', async () => {
    place('usual', 'redis-server', redis('7.2.4'));
    expect(await findRedis(machine())).toEqual({
      binary: { path: join(folder, 'usual', 'redis-server'), version: '7.2.4' },
      unfit: [],
    });
    const first = place('path', 'valkey-server', valkey('8.1.0'));
    expect((await findRedis(machine())).binary).toEqual({ path: first, version: '8.1.0' });
  });

  it('passes over what is too old, does not run, or is no server, and says so', async () => {
    const old = place('path', 'redis-server', redis('6.0.16'));
    const broken = place('path', 'valkey-server', 'exit 3');
    const other = place('more', 'redis-server', 'echo I am something else');
    const good = place('usual', 'redis-server', redis('6.2.0'));
    const env = { PATH: `${join(folder, 'path')}::${join(folder, 'nowhere')}:${join(folder, 'more')}` };
    const { binary, unfit } = await findRedis(machine({ env }));
    expect(binary).toEqual({ path: good, version: '6.2.0' });
    expect(unfit).toEqual([
      `${old} is 6.0.16, too old`,
      expect.stringContaining(`${broken} does not run`),
      expect.stringContaining(`${other} does not run`),
    ]);
  });

  it('knows its versions', async () => {
    const versions = ['5.0.14', '6.0.16', '6.2.0', '6.2.14', '7.0.15', '8.0.1', '10.0.0', 'unknown'];
    expect(versions.filter(isNewEnough)).toEqual(['6.2.0', '6.2.14', '7.0.15', '8.0.1', '10.0.0']);
    const old = place('path', 'redis-server', redis('6.0.16'));
    await expect(checkBinary(old)).rejects.toThrow(`${old} is Redis 6.0.16, too old: Mailover needs 6.2.0 or newer.`);
  });
});

describe('ensureRedis', () => {
  it('installs nothing where there is one', async () => {
    packageManager('apt-get', {});
    const path = place('path', 'redis-server', redis('7.0.15'));
    expect(await ensureRedis(machine())).toEqual({ path, version: '7.0.15' });
    expect(existsSync(join(folder, 'called'))).toBe(false);
    expect(said).toEqual([]);
  });

  it('installs with apt-get as root: after an update, asking nothing, leaving no service behind, and says what it does', async () => {
    packageManager('apt-get', { 'redis-server': { program: 'redis-server', script: redis('7.0.15') } });
    place('path', 'systemctl', `echo "systemctl $*" >> ${folder}/called`);
    const binary = await ensureRedis(machine());
    expect(binary).toEqual({ path: join(folder, 'usual', 'redis-server'), version: '7.0.15' });
    const surroundings = 'DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 KEPT=for the package manager';
    expect(calls()).toEqual([
      `update ${surroundings}`,
      `install -y --no-install-recommends redis-server ${surroundings}`,
      'systemctl disable --now redis-server',
    ]);
    expect(said).toEqual([
      expect.stringContaining('found none. Installing it.'),
      '  apt-get update',
      '  apt-get install -y --no-install-recommends redis-server',
      `Installed ${binary.path} 7.0.15.`,
    ]);
  });

  it('leaves a service alone that was there before, in a version too old', async () => {
    place('path', 'redis-server', redis('5.0.14'));
    packageManager('apt-get', { 'redis-server': { program: 'redis-server', script: redis('7.0.15') } });
    place('path', 'systemctl', `echo "systemctl $*" >> ${folder}/called`);
    await ensureRedis(machine());
    expect(calls().filter((call) => call.startsWith('systemctl'))).toEqual([]);
  });

  it.each(['dnf', 'yum', 'apk', 'pacman', 'zypper'])(
    'installs Valkey or Redis with %s, whichever it has',
    async (name) => {
      packageManager(name, { valkey: { program: 'valkey-server', script: valkey('8.0.1') } });
      expect((await ensureRedis(machine())).version).toBe('8.0.1');
      folder = freshFolder('machine');
      packageManager(name, { redis: { program: 'redis-server', script: redis('7.4.0') } });
      expect((await ensureRedis(machine())).version).toBe('7.4.0');
    },
  );

  it('installs with Homebrew as the user, not as root', async () => {
    packageManager('brew', { redis: { program: 'redis-server', script: redis('8.2.0') } });
    await expect(ensureRedis(machine({ platform: 'darwin', uid: 0 }))).rejects.toThrow('\n  brew install redis\n');
    expect((await ensureRedis(machine({ platform: 'darwin', uid: 501 }))).version).toBe('8.2.0');
    expect(calls()).toHaveLength(1);
  });

  it('says the exact command where it may not install', async () => {
    packageManager('apt-get', { 'redis-server': { program: 'redis-server', script: redis('7.0.15') } });
    await expect(ensureRedis(machine({ uid: 1000 }))).rejects.toThrow(
      '  sudo apt-get update && sudo apt-get install -y --no-install-recommends redis-server\n',
    );
    await expect(requireRedis(machine())).rejects.toThrow(/version 6\.2\.0 or newer, and found none/);
    expect(existsSync(join(folder, 'called'))).toBe(false);
  });

  it('says the commands of every system where it knows none', async () => {
    const { message } = (await ensureRedis(machine({ platform: 'sunos' })).catch((error: Error) => error)) as Error;
    for (const word of ['apt-get', 'dnf', 'yum', 'apk', 'pacman', 'zypper', 'brew', 'WSL', 'REDIS_URL']) {
      expect(message).toContain(word);
    }
  });

  it('shows why an installation failed, and what else was wrong', async () => {
    packageManager('apt-get', {});
    const old = place('path', 'redis-server', redis('5.0.14'));
    await expect(ensureRedis(machine())).rejects.toThrow(`${old} is 5.0.14, too old`);
    expect(said).toContain('    no such package');
    expect(calls().filter((call) => call.startsWith('install'))).toHaveLength(2);
  });
});

describe('the step before npm start', () => {
  it('passes where there is a Redis, or one is named elsewhere', async () => {
    const path = process.env.MAILOVER_TEST_REDIS ?? '';
    const found = await spawnChild('src/store/install-redis.ts', { env: { PATH: join(path, '..') } });
    expect(await found.exit).toEqual({ code: 0, signal: null });
    const elsewhere = await spawnChild('src/store/install-redis.ts', {
      env: { REDIS_URL: 'redis://redis.example.com' },
    });
    expect(await elsewhere.exit).toEqual({ code: 0, signal: null });
    expect(found.stderr.concat(elsewhere.stderr)).toEqual([]);
  });
});
