// The Dockerfile and the Compose file without a Docker engine: what they copy, call and set is held against the code, and run where it can be.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { connect, whenReady } from '../src/store/connection.ts';
import { checkDurability } from '../src/store/durability.ts';
import { requireRedis, thisMachine } from '../src/store/redis-binary.ts';
import { spawnChild } from './support/child.ts';
import { freshFolder } from './support/run-folder.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const packageFile = JSON.parse(read('package.json'));

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe('the Dockerfile', () => {
  const steps = read('Dockerfile')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .flatMap((line) => {
      const [, name = '', rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
      return name === '' ? [] : [{ name, rest }];
    });
  const of = (name: string) => steps.filter((step) => step.name === name).map(({ rest }) => rest);
  const last = (name: string) => of(name).at(-1) ?? '';

  test('copies files that are there and that .dockerignore lets through', () => {
    const ignore = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(ignore[0]).toBe('*');
    expect(ignore).toContain('config/mailover.yaml');
    const copied = of('COPY')
      .filter((rest) => !rest.startsWith('--from'))
      .flatMap((rest) => rest.split(/ +/).slice(0, -1));
    expect(copied).toContain('package-lock.json');
    for (const path of copied) {
      expect(existsSync(join(root, path)), path).toBe(true);
      expect(ignore).toContain(`!${path}`);
    }
    // What the settings loader falls back to, and what the version is read from.
    const runtime = of('COPY')
      .filter((rest) => rest.startsWith('--from'))
      .join('\n');
    for (const path of ['package.json', 'config/demo.yaml', 'dist', 'node_modules'])
      expect(runtime).toContain(`/app/${path} `);
  });

  test('runs what npm start runs, as nobody special, on a Node that the package takes', () => {
    expect(JSON.parse(last('CMD')).join(' ')).toBe(packageFile.scripts.start);
    expect(last('USER')).toBe('node');
    const oldest = Number(/\d+/.exec(packageFile.engines.node)?.[0]);
    for (const image of of('FROM')) expect(Number(/^node:(\d+)-/.exec(image)?.[1])).toBeGreaterThanOrEqual(oldest);
    expect(of('VOLUME')).toEqual([/MAILOVER_DATA_DIR=(\S+)/.exec(last('ENV'))?.[1]]);
  });

  test('its health check tells a service that is ready from one that is not there', async () => {
    const variables = Object.fromEntries(
      last('ENV')
        .split(/ +/)
        .map((pair) => pair.split('=')),
    );
    const [, node, ...args] = JSON.parse(`["CMD",${/CMD \[(.*)$/.exec(last('HEALTHCHECK'))?.[1] ?? ''}`) as string[];
    expect(node).toBe('node');
    const check = (port: string) =>
      new Promise<unknown>((done) => {
        execFile(process.execPath, args, { env: { PORT: port } }, (error) => done(error?.code ?? 0));
      });
    const folder = freshFolder('containers');
    const env = { ...variables, HOST: '127.0.0.1', PORT: '0', MAILOVER_DATA_DIR: folder };
    const service = await spawnChild('src/cli/main.ts', { args: ['serve'], env, cwd: folder });
    undo.push(() => service.kill('SIGKILL'));
    const port = /:(\d+)/.exec(await service.waitFor(/^Mailover is ready: \S+/))?.[1] ?? '';
    expect(await check(port)).toBe(0);
    service.kill('SIGTERM');
    expect(await service.exit).toEqual({ code: 0, signal: null });
    expect(await check(port)).toBe(1);
  });
});

describe('docker-compose.yml', () => {
  const { services, volumes } = parse(read('docker-compose.yml'));
  const { mailover, store } = services;

  test('its store keeps what it acknowledges', async () => {
    const { path: binary } = await requireRedis(thisMachine(process.env));
    const [program, ...flags] = store.command as string[];
    expect(program).toBe('valkey-server');
    const dir = freshFolder('containers');
    const socketPath = join(dir, 'redis.sock');
    const server = spawn(binary, [...flags, '--port', '0', '--unixsocket', socketPath, '--dir', dir], {
      stdio: 'ignore',
    });
    undo.push(async () => {
      const gone = once(server, 'exit');
      server.kill('SIGKILL');
      await gone;
    });
    const quiet = { info() {}, warn() {}, error() {} };
    const client = connect({ socketPath }, 'worker', quiet);
    undo.push(() => client.disconnect());
    await whenReady(client, 10_000);
    expect(await checkDurability(client)).toEqual({ ok: true, faults: [], hidden: false });
    // Without a limit, intake would not know when the store is nearly full.
    expect(await client.config('GET', 'maxmemory')).toEqual(['maxmemory', String(1024 ** 3)]);
    expect(store.volumes).toEqual(['store:/data']);
    expect(Object.keys(volumes)).toEqual(['store']);
    expect(store.ports).toBeUndefined();
  });

  test('starts with the example settings once its variables are set, and asks for the secrets', async () => {
    const [source, target] = (mailover.volumes as string[])[0]?.split(':') ?? [];
    expect(mailover.environment.MAILOVER_CONFIG).toBe(target);
    const env = Object.fromEntries(
      Object.entries(mailover.environment as Record<string, string | null>).map(([name, value]) => {
        const required = value?.startsWith(`\${${name}:?`);
        return [name, value === null || required ? Buffer.alloc(32, 7).toString('base64') : value];
      }),
    );
    const file = join(root, source ?? '');
    const { config, warnings } = await loadConfig({
      file,
      env: { ...env, MAILOVER_OLD_ENCRYPTION_KEY: '' },
      cwd: root,
    });
    expect(warnings).toEqual([]);
    expect(config.redis.url).toBe('redis://store:6379');
    for (const name of ['MAILOVER_ENCRYPTION_KEY', 'MAILOVER_ADMIN_KEY'])
      expect(mailover.environment[name]).toMatch(new RegExp(`^\\$\\{${name}:\\?.+\\}$`));
    const readme = read('README.md') + read('.env.example');
    for (const name of Object.keys(mailover.environment)) expect(readme).toContain(name);
    expect(Number.parseInt(mailover.stop_grace_period, 10) * 1_000).toBeGreaterThan(config.server.shutdown_timeout);
    expect(mailover.ports).toEqual([`127.0.0.1:${config.server.port}:${config.server.port}`]);
  });
});
