// Finds a redis-server or valkey-server on this machine, and installs one through the system's packages where we may.
import { execFile, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** A server program that runs and is new enough. */
export interface RedisBinary {
  readonly path: string;
  /** As it says itself: `7.0.15`. */
  readonly version: string;
}

/** The machine as seen from here; a test hands in another. */
export interface Machine {
  /** Only `PATH` is read; all of it goes to the package manager. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** Null where there are no user ids. */
  readonly uid: number | null;
  /** Where to look after `PATH`. */
  readonly folders: readonly string[];
  /** Tells the person at the terminal what is being done: one line a call. */
  say(line: string): void;
}

/** The oldest version whose commands Mailover uses: `ZRANGE … BYSCORE` and `SET … PXAT` came with 6.2. */
export const oldestRedis = '6.2.0';

const serverNames = ['redis-server', 'valkey-server'] as const;
const usualFolders = [
  '/usr/bin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
  '/opt/local/bin',
  '/snap/bin',
];

/** This machine, for the two mains that may install: the step before `npm start`, and the set-up of the tests. */
export function thisMachine(env: Machine['env']): Machine {
  return {
    env,
    platform: process.platform,
    uid: process.getuid?.() ?? null,
    folders: usualFolders,
    say: (line) => process.stderr.write(`${line}\n`),
  };
}

/** True when `version` (`7.0.15`) is `oldestRedis` or newer. */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = oldestRedis.split('.').map(Number);
  return major > oldestMajor || (major === oldestMajor && minor >= oldestMinor);
}

/** What there is: the first server that will do, and those that will not, each with the reason. */
export interface Search {
  readonly binary: RedisBinary | null;
  readonly unfit: readonly string[];
}

/** Looks through PATH, then the usual folders. Runs what it finds with `--version`; starts nothing. */
export async function findRedis(machine: Pick<Machine, 'env' | 'folders'>): Promise<Search> {
  const unfit: string[] = [];
  const folders = [...(machine.env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), ...machine.folders];
  for (const folder of new Set(folders)) {
    for (const name of serverNames) {
      const path = join(folder, name);
      if (!(await isExecutable(path))) continue;
      const said = await versionOf(path);
      if (said.version === null) unfit.push(`${path} does not run: ${said.fault}`);
      else if (!isNewEnough(said.version)) unfit.push(`${path} is ${said.version}, too old`);
      else return { binary: { path, version: said.version }, unfit };
    }
  }
  return { binary: null, unfit };
}

/** @throws if the program at `path` does not run, or is too old. */
export async function checkBinary(path: string): Promise<RedisBinary> {
  const said = await versionOf(path);
  if (said.version === null) throw new Error(`${path} does not run as a Redis: ${said.fault}`);
  if (isNewEnough(said.version)) return { path, version: said.version };
  throw new Error(`${path} is Redis ${said.version}, too old: Mailover needs ${oldestRedis} or newer.`);
}

/** Finds a server. @throws an error whose message says what is missing and the command that mends it. */
export async function requireRedis(machine: Machine): Promise<RedisBinary> {
  const { binary, unfit } = await findRedis(machine);
  if (binary !== null) return binary;
  throw new Error(missing(unfit, await installerOf(machine)));
}

/**
 * Finds a server, or installs one: as root on Linux, as the user with Homebrew on macOS.
 * @throws an error whose message says what is missing and the command that mends it.
 */
export async function ensureRedis(machine: Machine): Promise<RedisBinary> {
  const before = await findRedis(machine);
  if (before.binary !== null) return before.binary;
  const installer = await installerOf(machine);
  const mayInstall = installer !== null && (installer.name === 'brew' ? machine.uid !== 0 : machine.uid === 0);
  if (!mayInstall) throw new Error(missing(before.unfit, installer));

  machine.say(`Mailover keeps its mail in Redis (or Valkey) ${oldestRedis} or newer, and found none. Installing it.`);
  if (installer.prepare) await run(installer.prepare, machine);
  for (const pack of installer.packages) {
    const code = await run([...installer.install, pack], machine);
    // The service that comes with the package would sit on port 6379 beside ours, now and after every boot. One that was
    // here before, in an old version, is somebody's: it stays.
    if (code === 0 && installer.startsServices && before.unfit.length === 0) {
      await run(['systemctl', 'disable', '--now', pack], { ...machine, say: () => {} });
    }
    const { binary } = await findRedis(machine);
    if (binary === null) continue;
    machine.say(`Installed ${binary.path} ${binary.version}.`);
    return binary;
  }
  const after = await findRedis(machine);
  throw new Error(`The installation did not help; the end of its output is above.\n${missing(after.unfit, installer)}`);
}

interface Installer {
  readonly name: string;
  readonly prepare?: readonly string[];
  readonly install: readonly string[];
  /** Tried in this order: distributions have one, the other, or both. */
  readonly packages: readonly [string, string];
  readonly startsServices?: true;
}

// Debian is alone in starting services on installation: RUNLEVEL=1 (in `run`) keeps sysvinit from it, systemd is told afterwards.
// Fedora 41, RHEL 10 and Arch carry Valkey instead of Redis; what `yum` finds is older than that.
const onLinux: readonly Installer[] = [
  {
    name: 'apt-get',
    prepare: ['apt-get', 'update'],
    install: ['apt-get', 'install', '-y', '--no-install-recommends'],
    packages: ['redis-server', 'valkey-server'],
    startsServices: true,
  },
  { name: 'dnf', install: ['dnf', 'install', '-y'], packages: ['valkey', 'redis'] },
  { name: 'yum', install: ['yum', 'install', '-y'], packages: ['redis', 'valkey'] },
  { name: 'apk', install: ['apk', 'add', '--no-cache'], packages: ['valkey', 'redis'] },
  { name: 'pacman', install: ['pacman', '-Sy', '--noconfirm', '--needed'], packages: ['valkey', 'redis'] },
  { name: 'zypper', install: ['zypper', '--non-interactive', 'install'], packages: ['valkey', 'redis'] },
];

const onMac: readonly Installer[] = [{ name: 'brew', install: ['brew', 'install'], packages: ['redis', 'valkey'] }];

async function installerOf(machine: Machine): Promise<Installer | null> {
  const known = machine.platform === 'darwin' ? onMac : machine.platform === 'linux' ? onLinux : [];
  for (const installer of known) if ((await commandPath(installer.name, machine)) !== null) return installer;
  return null;
}

function missing(unfit: readonly string[], installer: Installer | null): string {
  const mends =
    installer === null
      ? [...onLinux, ...onMac]
          .map((each) => `with ${each.name}: ${asTyped(each)}`)
          .concat('on Windows: run Mailover in WSL')
      : [asTyped(installer)];
  return [
    `Mailover needs redis-server or valkey-server, version ${oldestRedis} or newer, and found none on this machine.`,
    ...unfit.map((line) => `  ${line}`),
    'Install it:',
    ...mends.map((line) => `  ${line}`),
    'or let REDIS_URL name a Redis elsewhere.',
  ].join('\n');
}

function asTyped({ name, prepare, install, packages }: Installer): string {
  const commands = [...(prepare ? [prepare] : []), [...install, packages[0]]];
  return commands.map((command) => `${name === 'brew' ? '' : 'sudo '}${command.join(' ')}`).join(' && ');
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function commandPath(name: string, machine: Machine): Promise<string | null> {
  const folders = [...(machine.env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), ...machine.folders];
  for (const folder of folders) if (await isExecutable(join(folder, name))) return join(folder, name);
  return null;
}

async function versionOf(path: string): Promise<{ version: string } | { version: null; fault: string }> {
  return new Promise((resolve) => {
    execFile(path, ['--version'], { timeout: 10_000 }, (error, stdout) => {
      // "Redis server v=7.0.15 sha=…", "Valkey server v=8.0.1 sha=…"
      const version = /\bv=(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
      if (version !== undefined) resolve({ version });
      else resolve({ version: null, fault: error?.message.split('\n')[0] ?? 'it does not say its version' });
    });
  });
}

/** Runs one command in plain sight; a missing one is no fault. Gives its exit code. */
async function run(command: readonly string[], machine: Machine): Promise<number> {
  const [name = '', ...args] = command;
  const path = await commandPath(name, machine);
  if (path === null) return 127;
  machine.say(`  ${command.join(' ')}`);
  const env = { ...machine.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  return new Promise((resolve) => {
    const child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let last = '';
    const note = (chunk: Buffer) => {
      last = (last + chunk.toString()).slice(-2_000);
    };
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    child.on('error', (error) => {
      machine.say(`  ${name}: ${error.message}`);
      resolve(126);
    });
    child.on('close', (code) => {
      if (code !== 0) for (const line of last.trim().split('\n').slice(-8)) if (line !== '') machine.say(`    ${line}`);
      resolve(code ?? 128);
    });
  });
}
