// The files for containers, clusters and service managers, without any of these: what they copy, call and set is held against the code, and run
// where it can be.
// biome-ignore-all lint/suspicious/noExplicitAny: they are whatever YAML says
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig } from '../config/load.ts';
import { roles } from '../src/app.ts';
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

// As Compose and kubectl read it: `<<` merges.
const data = (path: string) => parse(read(path), { merge: true });
const compose = data('docker-compose.yml');
const durable = ['valkey-server', '--appendonly', 'yes'];

const demoSettings = async () =>
  (await loadConfig({ file: join(root, 'config/demo.yaml'), env: {}, cwd: root })).config;

/** The roles that a command line names. */
const rolesOf = (command: readonly string[]) => command[command.indexOf('--roles') + 1]?.split(',') ?? [];

/** A folder of secrets, and the environment of a container that has them there instead of where `env` says. */
function withSecrets(env: Readonly<Record<string, string | null>>): Record<string, string> {
  const folder = freshFolder('secrets');
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => {
      if (value === null) return [];
      if (!name.endsWith('_FILE')) return [[name, value]];
      const path = join(folder, basename(value));
      writeFileSync(path, `${Buffer.alloc(32, 7).toString('base64')}\n`);
      return [[name, path]];
    }),
  );
}

describe('docker-compose.yml', () => {
  const { services, volumes, secrets } = compose;
  const { store, ...ours } = services;

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
    expect(await client.config('GET', 'rdbcompression')).toEqual(['rdbcompression', 'no']);
    expect(store.volumes).toEqual(['store:/data']);
    expect(Object.keys(volumes)).toContain('store');
    expect(store.ports).toBeUndefined();
  });

  test('has every role once, each without rights and with time to finish', async () => {
    const own = Object.values(ours).filter(({ image }: any) => image === 'mailover') as any[];
    expect(own.flatMap(({ command }) => rolesOf(command)).sort()).toEqual([...roles].sort());
    const { config } = await settingsOf(own[0].environment);
    for (const { command, read_only, cap_drop, security_opt, stop_grace_period, depends_on } of own) {
      expect(command.slice(0, 3).join(' ')).toBe(packageFile.scripts.start);
      expect({ read_only, cap_drop, security_opt }).toEqual({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
      expect(Number.parseInt(stop_grace_period, 10) * 1_000).toBeGreaterThan(config.server.shutdown_timeout);
      expect(depends_on.store).toEqual({ condition: 'service_healthy' });
    }
    expect(services.api.ports).toEqual([`127.0.0.1:${config.server.port}:${config.server.port}`]);
  });

  const settingsOf = async (environment: Record<string, string | null>) => {
    const [source] = (services.api.volumes as string[])[0]?.split(':') ?? [];
    const env = { ...withSecrets(environment), MAILOVER_OLD_ENCRYPTION_KEY: '' };
    return loadConfig({ file: join(root, source ?? ''), env, cwd: root });
  };

  test('starts with the example settings once the files of its secrets are there, and names no other', async () => {
    const { environment } = services.api;
    expect(environment.MAILOVER_CONFIG).toBe((services.api.volumes as string[])[0]?.split(':')[1]);
    const { config, warnings } = await settingsOf(environment);
    expect(warnings).toEqual([]);
    expect(config.redis.url).toBe('redis://store:6379');
    const files = Object.entries(environment).flatMap(([name, value]) => (name.endsWith('_FILE') ? [value] : []));
    expect(files).toEqual(services.api.secrets.map((name: string) => `/run/secrets/${name}`));
    expect(secrets).toEqual(
      Object.fromEntries(services.api.secrets.map((name: string) => [name, { file: `./secrets/${name}` }])),
    );
    const told = read('README.md') + read('.env.example');
    for (const name of Object.keys(environment)) expect(told).toContain(name.replace(/_FILE$/, ''));
    // Nobody's secrets belong into the repository, or into the image.
    expect(read('.gitignore').split('\n')).toContain('secrets/');
  });
});

describe('the metrics profile of docker-compose.yml', () => {
  const { prometheus, grafana } = compose.services;

  test('is asked for, and finds its files, its secrets and our services', () => {
    for (const { profiles, volumes, secrets } of [prometheus, grafana]) {
      expect(profiles).toEqual(['metrics']);
      for (const volume of volumes as string[]) {
        const [source = ''] = volume.split(':');
        if (source.startsWith('.')) expect(existsSync(join(root, source)), source).toBe(true);
        else expect(compose.volumes).toHaveProperty(source);
      }
      for (const secret of secrets) expect(compose.secrets).toHaveProperty(secret);
    }
    const [scrape] = data('config/monitoring/prometheus.yaml').scrape_configs;
    expect(scrape.authorization.credentials_file).toBe(`/run/secrets/${prometheus.secrets[0]}`);
    const ours = Object.entries(compose.services).flatMap(([name, { image }]: any) =>
      image === 'mailover' ? [name] : [],
    );
    expect(scrape.dns_sd_configs[0].names.sort()).toEqual(ours.sort());
    const [source] = data('config/monitoring/grafana/datasources.yaml').datasources;
    expect(compose.services).toHaveProperty(new URL(source.url).hostname);
    const [{ options }] = data('config/monitoring/grafana/dashboards.yaml').providers;
    expect(grafana.volumes.join()).toContain(`./config/monitoring/dashboard.json:${options.path}/`);
  });
});

describe('kubernetes.yaml', () => {
  const { kind, items } = data('config/deploy/kubernetes.yaml');
  const of = (wanted: string) => items.filter((item: any) => item.kind === wanted);
  const podOf = (item: any) => item.spec.template.spec;

  test('has every role once, with the settings and secrets that it says how to make', async () => {
    expect(kind).toBe('List');
    const commands = of('Deployment').map((item: any) => podOf(item).containers[0].command);
    expect(commands.flatMap(rolesOf).sort()).toEqual([...roles].sort());
    const { server } = await demoSettings();
    for (const item of of('Deployment')) {
      const [container] = podOf(item).containers;
      expect(container.command.slice(0, 3).join(' ')).toBe(packageFile.scripts.start);
      expect(container.envFrom).toEqual([{ secretRef: { name: 'mailover' } }]);
      expect(podOf(item).volumes[0]).toEqual({ name: 'settings', configMap: { name: 'mailover' } });
      const env = Object.fromEntries(container.env.map(({ name, value }: any) => [name, value]));
      expect(env.MAILOVER_CONFIG).toBe(`${container.volumeMounts[0].mountPath}/mailover.yaml`);
      const [service] = of('Service').filter(({ metadata }: any) => env.REDIS_URL.includes(`//${metadata.name}:`));
      expect(env.REDIS_URL).toBe(`redis://store:${service.spec.ports[0].port}`);
      expect(podOf(item).terminationGracePeriodSeconds * 1_000).toBeGreaterThan(server.shutdown_timeout);
      expect(container.ports).toEqual([{ name: 'http', containerPort: server.port }]);
      expect(item.spec.template.metadata.annotations['prometheus.io/port']).toBe(String(server.port));
      expect(container.livenessProbe.httpGet.path).toBe('/health/live');
      expect(container.readinessProbe.httpGet.path).toBe('/health/ready');
    }
  });

  test('everything that selects pods selects some, and nobody has rights', () => {
    const pods = [...of('Deployment'), ...of('StatefulSet')].map((item: any) => item.spec.template.metadata.labels);
    const matching = (labels: Record<string, string>) =>
      pods.filter((pod) => Object.entries(labels).every(([name, value]) => pod[name] === value)).length;
    for (const item of items) {
      const { selector, podSelector } = item.spec;
      expect(matching((selector ?? podSelector).matchLabels ?? selector), item.metadata.name).toBe(1);
      if (!item.spec.template) continue;
      const { securityContext, automountServiceAccountToken, containers } = podOf(item);
      expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(automountServiceAccountToken).toBe(false);
      for (const container of containers) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(container.resources.limits.memory).toBeDefined();
      }
    }
  });

  test('its store is as durable as the one of Compose', () => {
    const [store] = of('StatefulSet');
    expect(podOf(store).containers[0].args).toEqual(compose.services.store.command);
    expect(podOf(store).containers[0].args.slice(0, 3)).toEqual(durable);
    expect(store.spec.volumeClaimTemplates[0].metadata.name).toBe(podOf(store).containers[0].volumeMounts[0].name);
  });
});

describe('mailover.service', () => {
  const unit = read('config/deploy/mailover.service');
  const settings = (name: string) =>
    [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value ?? '');

  test('starts the command, gives it time to finish, and does not start faulty settings again', async () => {
    expect(settings('ExecStart')).toEqual(['/usr/bin/env mailover serve --config /etc/mailover/mailover.yaml']);
    expect(Object.keys(packageFile.bin)).toEqual(['mailover']);
    const { server } = await demoSettings();
    expect(Number(settings('TimeoutStopSec')[0]) * 1_000).toBeGreaterThan(server.shutdown_timeout);
    expect(settings('RestartPreventExitStatus')[0]?.split(' ')).toContain('78');
    expect(settings('Environment').join(' ')).toContain(`MAILOVER_DATA_DIR=/var/lib/${settings('StateDirectory')[0]}`);
  });

  test('systemd takes it, where there is one', async () => {
    const checked = await new Promise<{ code: unknown; text: string }>((done) => {
      execFile('systemd-analyze', ['verify', join(root, 'config/deploy/mailover.service')], (error, stdout, stderr) =>
        done({ code: error?.code ?? 0, text: stdout + stderr }),
      );
    });
    // Without systemd nothing can start the unit, either.
    if (checked.code === 'ENOENT') expect(unit).toMatch(/^\[Unit\]$[\s\S]*^\[Service\]$[\s\S]*^\[Install\]$/m);
    else expect(checked).toEqual({ code: 0, text: '' });
  });
});
