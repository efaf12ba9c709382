// Which file is read, what the environment overrides, what the settings become.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are settings
import { execFileSync } from 'node:child_process';
import { cpSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { selfSigned } from '../support/certificate.ts';
import { faultOf, folder, least, load, madeUpKey, merged } from './support.ts';

const root = new URL('../..', import.meta.url).pathname;
const onPort = (port: number) => JSON.stringify({ ...least, server: { port } });
const files = { 'given.yaml': onPort(1), 'env.yaml': onPort(2), 'config/mailover.yaml': onPort(3) };

describe('the file', () => {
  test('given on the command line', async () => {
    const cwd = folder(files);
    const { config, source } = await loadConfig({ file: 'given.yaml', env: { MAILOVER_CONFIG: 'env.yaml' }, cwd });
    expect([config.server.port, source]).toEqual([1, join(cwd, 'given.yaml')]);
  });

  test('else MAILOVER_CONFIG', async () => {
    const cwd = folder(files);
    const { config, source } = await loadConfig({ env: { MAILOVER_CONFIG: join(cwd, 'env.yaml') }, cwd });
    expect([config.server.port, source]).toEqual([2, join(cwd, 'env.yaml')]);
  });

  test('else config/mailover.yaml; an empty MAILOVER_CONFIG is none', async () => {
    const cwd = folder(files);
    const { config, source } = await loadConfig({ env: { MAILOVER_CONFIG: '' }, cwd });
    expect([config.server.port, source]).toEqual([3, join(cwd, 'config/mailover.yaml')]);
  });

  test('else the demo', async () => {
    const { config, source } = await loadConfig({ env: {}, cwd: folder() });
    expect(source).toBe('demo');
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 3000 });
    expect(config.redis.url).toBeUndefined();
    expect(config.encryption.keys).toEqual([]);
    expect(Object.entries(config.providers).map(([name, { type }]) => [name, type])).toEqual([
      ['primary', 'sandbox'],
      ['standby', 'sandbox'],
    ]);
    const kept = {
      on_unknown: 'resend',
      rescue: 'auto',
      sensitive: false,
      health: {},
      providers: ['primary', 'standby'],
    };
    expect(config.streams).toEqual({
      default: { ...kept, priority: 'normal', expires_in: 86_400_000 },
      critical: { ...kept, priority: 'critical', expires_in: 1_800_000 },
      receipts: { ...kept, priority: 'bulk', expires_in: 259_200_000 },
    });
  });

  test.each([{ file: 'none.yaml' }, { env: { MAILOVER_CONFIG: 'none.yaml' } }])(
    'named and not there is a fault, never the demo: %j',
    async (named) => {
      const fault = await faultOf(loadConfig({ env: {}, cwd: folder(files), ...named }));
      expect(fault.message).toContain('none.yaml cannot be read');
    },
  );

  test('the demo in the installed package', () => {
    const installed = folder({ 'package.json': '{"type": "module"}' });
    cpSync(join(root, 'config/demo.yaml'), join(installed, 'config/demo.yaml'));
    symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'));
    const project = {
      extends: join(root, 'tsconfig.build.json'),
      compilerOptions: {
        rootDir: root,
        outDir: join(installed, 'dist'),
        incremental: false,
        tsBuildInfoFile: null,
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: [],
      files: [join(root, 'config/load.ts')],
    };
    writeFileSync(join(installed, 'tsconfig.json'), JSON.stringify(project));
    execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', installed], { stdio: 'pipe' });
    const script =
      "const { loadConfig } = await import('./dist/config/load.js');" +
      "const { source, config } = await loadConfig({ env: {}, cwd: '/' });" +
      'console.log(source, Object.keys(config.providers).join());';
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: installed,
      encoding: 'utf8',
    });
    expect(said).toBe('demo primary,standby\n');
  });
});

describe('the environment', () => {
  const env = { HOST: '0.0.0.0', PORT: '0', MAILOVER_DATA_DIR: '/var/lib/mailover', REDIS_URL: 'rediss://r:6380' };

  test('wins over the file', async () => {
    const { config } = await load(
      merged(least, {
        server: { host: '127.0.0.2', port: 4000 },
        redis: { url: 'redis://other', data_dir: './other' },
        encryption: { keys: [madeUpKey] },
      }),
      env,
    );
    expect(config.server).toMatchObject({ host: '0.0.0.0', port: 0 });
    expect(config.redis).toMatchObject({ url: 'rediss://r:6380', data_dir: '/var/lib/mailover' });
  });

  test('wins over the demo', async () => {
    const key = { MAILOVER_ENCRYPTION_KEY: madeUpKey };
    const { config } = await loadConfig({ env: { ...env, ...key }, cwd: folder() });
    expect(config.server).toMatchObject({ host: '0.0.0.0', port: 0 });
    expect(config.redis).toMatchObject({ url: 'rediss://r:6380', data_dir: '/var/lib/mailover' });
    expect(config.encryption.keys).toEqual([madeUpKey]);
  });

  test('counts as not set where it is empty', async () => {
    const { config } = await load(least, { HOST: '', PORT: '', MAILOVER_DATA_DIR: '', REDIS_URL: '' });
    expect(config.server).toMatchObject({ host: '127.0.0.1', port: 3000 });
    expect(config.redis.url).toBeUndefined();
  });

  test('is not searched for variables', async () => {
    const fault = await faultOf(load(least, { HOST: '${PORT}', PORT: '1' }));
    expect(fault.faults).toEqual([
      {
        path: 'server.host',
        value: '"${PORT}"',
        message: expect.stringMatching(/^\(from HOST in the environment\) must be a host name/),
      },
    ]);
  });

  test('makes up for a variable that is missing in the file', async () => {
    const { config } = await load(merged(least, { server: { port: '${MISSING}' } }), { PORT: '1' });
    expect(config.server.port).toBe(1);
  });

  test('leaves a section that is none to its own fault', async () => {
    const fault = await faultOf(load({ ...least, server: [] }, { PORT: '1' }));
    expect(fault.faults).toEqual([{ path: 'server', value: '[…]', message: expect.stringContaining('a section') }]);
  });

  test('is named by its faults, without a secret', async () => {
    const fault = await faultOf(load(least, { PORT: '70000', REDIS_URL: 'redis://:made-up@a/x' }));
    expect(fault.faults.map(({ path, value, message }) => [path, value, message.slice(0, 20)])).toEqual([
      ['server.port', '"70000"', '(from PORT in the en'],
      ['redis.url', '"redis://••••@a/x"', '(from REDIS_URL in t'],
    ]);
  });

  test('is left alone: what is set is read from the argument', async () => {
    expect(process.env.PATH).toBeDefined();
    const fault = await faultOf(load(merged(least, { server: { metrics_token: '${PATH}' } })));
    expect(fault.message).toContain('needs PATH');
  });
});

describe('values', () => {
  test('defaults', async () => {
    const { config } = await load(least);
    expect(config.providers.relay).toEqual({
      type: 'smtp',
      timeout: 10_000,
      max_concurrency: 32,
      from_domains: [],
      host: 'smtp.example.com',
      port: 587,
      tls: 'starttls',
      max_connections: 5,
      connect_timeout: 5_000,
    });
    expect(config.server).toEqual({
      host: '127.0.0.1',
      port: 3000,
      body_limit: 10_485_760,
      request_timeout: 30_000,
      shutdown_timeout: 25_000,
      trust_proxy: [],
    });
    expect(config.delivery).toEqual({
      concurrency: { critical: 40, normal: 32, bulk: 20 },
      max_unknown: 5,
      scouts: 4,
      scout_wait: 1_000,
      poll_after: 300_000,
      polls: 10 / 60,
      proven_for: 60_000,
    });
    expect(config.health).toEqual({
      window: 60_000,
      min_volume: 5,
      failure_share: 0.5,
      account_refusals: 1,
      rest: 30_000,
      max_rest: 900_000,
      probe_interval: 2_000,
      probes: 3,
      account_check: 60_000,
      settled_after: 600_000,
      mode: 'auto',
      suspect_score: 7,
      silence_score: 9,
      learn_from: 50,
      self_probe: 30_000,
      ramp_dwell: 60_000,
      switches_per_hour: 3,
    });
    expect(config.rescue).toEqual({ rate: 20, at_once: 20 });
    expect(config.limits).toEqual({
      recipients: 50,
      batch: 100,
      attachments: 50,
      headers: 50,
      subject: 998,
      schedule_ahead: 30 * 86_400_000,
      expires_max: 7 * 86_400_000,
      queue_age: { critical: 4 * 3_600_000, normal: 2 * 3_600_000, bulk: 3_600_000 },
      queue_depth: { critical: 1_000_000, normal: 500_000, bulk: 250_000 },
    });
    expect(config.retention).toEqual({ bodies: 86_400_000, messages: 30 * 86_400_000, incidents: 90 * 86_400_000 });
    expect(config.redis.durability).toBe('strict');
  });

  test('a sandbox provider', async () => {
    const { config } = await load(
      merged(least, { providers: { box: { type: 'sandbox', latency: '0ms', share: 0.5 } } }),
    );
    expect(config.providers.box).toMatchObject({ type: 'sandbox', mode: 'deliver', latency: 0, share: 0.5 });
  });

  test('domains and senders in their normal form', async () => {
    const domains = ['ACME.example', 'Bücher.example', 'xn--bcher-kva.example'];
    const allow = ['*', '*@Bücher.example', 'Billing+x@PAY.acme.example'];
    const { config } = await load(
      merged(least, { providers: { relay: { from_domains: domains } }, senders: { allow } }),
    );
    expect(config.providers.relay?.from_domains).toEqual([
      'acme.example',
      'xn--bcher-kva.example',
      'xn--bcher-kva.example',
    ]);
    expect(config.senders.allow).toEqual(['*', '*@xn--bcher-kva.example', 'Billing+x@pay.acme.example']);
  });

  test('a certificate of a private authority, from a file', async () => {
    const { cert } = selfSigned();
    const settings = merged(least, { providers: { relay: { tls_ca: '${file:ca.pem}' } } });
    const cwd = folder({ 'm.yaml': JSON.stringify(settings), 'ca.pem': cert });
    const { config } = await loadConfig({ file: 'm.yaml', env: {}, cwd });
    expect(config.providers.relay).toMatchObject({ tls_ca: cert.trim() });
  });

  test('rates, proxies, the public address', async () => {
    const server = { trust_proxy: ['10.0.0.0/8', '::1', '192.0.2.7'], public_url: 'https://Mail.acme.example/hooks/' };
    const { config } = await load(merged(least, { server, providers: { relay: { max_rate: '30/m' } } }));
    expect(config.providers.relay?.max_rate).toBe(0.5);
    expect(config.server).toMatchObject({ ...server, public_url: 'https://mail.acme.example/hooks' });
  });

  test.each([
    'redis://localhost',
    'redis://user:made-up%3F@redis.example.com:6379/2',
    'rediss://[::1]:6380/',
    'unix:///run/redis/redis.sock',
  ])('redis.url %s', async (url) => {
    const { config } = await load(merged(least, { redis: { url }, encryption: { keys: ['', madeUpKey] } }));
    expect(config.redis.url).toBe(url);
    expect(config.encryption.keys).toEqual([madeUpKey]);
  });

  test('the data folder starts at the working directory', async () => {
    const cwd = folder({ 'm.yaml': JSON.stringify(least) });
    const { config } = await loadConfig({ file: 'm.yaml', env: {}, cwd });
    expect(config.redis.data_dir).toBe(join(cwd, 'data'));
  });
});

describe('warnings', () => {
  const quiet = {
    providers: { relay: { type: 'smtp', host: 'smtp.example.com' }, other: { type: 'sandbox' } },
    streams: { default: { providers: ['relay', 'other'] } },
    senders: { allow: ['*@acme.example'] },
  };

  test('none where there is nothing to say', async () => {
    expect((await load(quiet)).warnings).toEqual([]);
  });

  test.each<[object, string]>([
    [{ senders: { allow: [] } }, 'any From is accepted'],
    [{ redis: { durability: 'relaxed' } }, 'redis.durability is relaxed'],
    [{ streams: { bulk: { providers: ['relay'] } } }, 'streams.bulk.providers has one provider'],
    [{ providers: { third: { type: 'sandbox' } } }, 'providers.third is in no stream'],
    [{ providers: { relay: { tls: 'none' } } }, 'providers.relay.tls is none'],
  ])('%j', async (change, words) => {
    expect((await load(merged(quiet, change))).warnings).toEqual([expect.stringContaining(words)]);
  });

  test.each(['127.0.0.1', '::1', 'localhost'])('a relay on %s may do without TLS', async (host) => {
    expect((await load(merged(quiet, { providers: { relay: { tls: 'none', host } } }))).warnings).toEqual([]);
  });
});
