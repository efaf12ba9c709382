// The example files, the description and the table of settings, held against the schema.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeConfig } from '../../config/describe.ts';
import { loadConfig } from '../../config/load.ts';
import { settingsTable } from '../../config/table.ts';
import { folder, least, load, madeUpKey, madeUpSecret, merged } from './support.ts';

const root = new URL('../..', import.meta.url).pathname;
const read = (name: string) => readFileSync(join(root, name), 'utf8');
const examples = readdirSync(join(root, 'config')).filter((name) => name.endsWith('.yaml') && name !== 'mailover.yaml');

const env = {
  REDIS_URL: 'redis://:made-up-redis@redis.example.com:6379',
  MAILOVER_ENCRYPTION_KEY: madeUpKey,
  MAILOVER_METRICS_TOKEN: 'made-up-token',
  MANDRILL_API_KEY: 'made-up-mandrill',
  MANDRILL_WEBHOOK_KEY: 'made-up-mandrill-webhook',
  SES_ACCESS_KEY_ID: 'AKIDMADEUP',
  SES_SECRET_ACCESS_KEY: 'made-up-ses',
  POSTMARK_SERVER_TOKEN: 'made-up-postmark',
  POSTMARK_WEBHOOK_PASSWORD: 'made-up-postmark-webhook',
  RELAY_USER: 'acme',
  RELAY_PASSWORD: 'made-up-relay',
};

describe('example files', () => {
  test.each(examples)('%s loads', async (name) => {
    const { config } = await loadConfig({ file: join(root, 'config', name), env, cwd: folder() });
    expect(Object.keys(config.streams)).toEqual(['default', 'critical', 'receipts']);
  });

  test('production is ready for production: several companies in each stream, nothing to warn of', async () => {
    const { config, warnings } = await loadConfig({ file: join(root, 'config/production.yaml'), env, cwd: folder() });
    expect(warnings).toEqual([]);
    expect(Object.values(config.providers).map(({ type }) => type)).toEqual(['mandrill', 'ses', 'postmark', 'smtp']);
    expect(Object.values(config.streams).map(({ providers }) => providers.length)).toEqual([4, 4, 3]);
    // Each that has webhooks is told how to believe them, or statuses would stay `sent`.
    expect(config.providers).toMatchObject({
      mailchimp: {
        webhook_key: env.MANDRILL_WEBHOOK_KEY,
        webhook_url: expect.stringMatching(/\/webhooks\/mailchimp$/),
      },
      ses: { configuration_set: 'mailover', sns_topic_arns: [expect.any(String)] },
      postmark: { webhook_user: 'mailover', webhook_password: env.POSTMARK_WEBHOOK_PASSWORD },
    });
    expect(config.redis).toMatchObject({ url: env.REDIS_URL, durability: 'strict' });
    expect(config.encryption.keys).toEqual([madeUpKey]);
  });

  test('.env.example names every variable that is read', () => {
    const named = new Set([...read('.env.example').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map((match) => match[1]));
    const inExamples = examples.flatMap((name) => [
      ...read(`config/${name}`)
        .replace(/^\s*#.*$/gm, '')
        .matchAll(/\$\{([A-Z_]+)/g),
    ]);
    const inLoader = [
      ...(read('config/load.ts') + read('config/environment.ts') + read('src/cli/session.ts')).matchAll(
        /'((?:MAILOVER_|REDIS_|HOST|PORT)[A-Z_]*)'|env\.([A-Z_]+)/g,
      ),
    ];
    const used = [...inExamples, ...inLoader].map((match) => match[1] ?? match[2]);
    expect(used.length).toBeGreaterThan(10);
    const elsewhere = ['MAILOVER_ADMIN_KEY', 'LOG_LEVEL'];
    expect([...named].sort()).toEqual([...new Set([...used, ...elsewhere])].sort());
  });
});

describe('the table of settings', () => {
  const table = settingsTable();
  const at = (path: string) => table.find((row) => row.path === path);

  test('has each setting once, with type, default and meaning', () => {
    expect(table.length).toBeGreaterThan(50);
    expect(new Set(table.map(({ path }) => path)).size).toBe(table.length);
    for (const row of table) {
      expect(row.type, row.path).not.toBe('');
      expect(row.default, row.path).not.toBe('');
      expect(row.meaning, row.path).toMatch(/^.{15,}\.$/s);
    }
  });

  test('says what the schema says', () => {
    expect(at('server.body_limit')).toMatchObject({ type: 'size', default: '10MB', secret: false });
    expect(at('server.port')).toMatchObject({ type: 'whole number', default: '3000' });
    expect(at('providers.<name>.from_domains')).toMatchObject({ type: 'list: domain', default: '[]' });
    expect(at('providers.<smtp>.timeout')).toBeUndefined();
    expect(at('providers.<smtp>.tls')).toMatchObject({ type: 'starttls | implicit | none', default: 'starttls' });
    expect(at('providers.<sandbox>.share')).toMatchObject({ type: 'share', default: '1' });
    expect(at('providers.<smtp>.host')).toMatchObject({ default: 'required' });
    expect(at('providers.<name>.max_rate')).toMatchObject({ type: 'rate', default: 'none' });
    expect(at('streams.<name>.providers')).toMatchObject({ type: 'list: provider', default: 'required' });
  });

  test('knows the secrets', () => {
    expect(table.filter(({ secret }) => secret).map(({ path }) => path)).toEqual([
      'server.metrics_token',
      'redis.url',
      'redis.sentinel_password',
      'encryption.keys',
      'providers.<smtp>.password',
      'providers.<mandrill>.api_key',
      'providers.<mandrill>.webhook_key',
      'providers.<ses>.secret_access_key',
      'providers.<ses>.session_token',
      'providers.<postmark>.server_token',
      'providers.<postmark>.webhook_password',
      'providers.<sendgrid>.api_key',
      'providers.<mailgun>.api_key',
      'providers.<mailgun>.webhook_signing_key',
      'providers.<resend>.api_key',
      'providers.<resend>.webhook_secret',
      // All of it: nobody but the module knows which of its options are.
      'providers.<module>.options',
      'alerts.sinks.<slack>.url',
      'alerts.sinks.<pagerduty>.routing_key',
      'alerts.sinks.<opsgenie>.api_key',
      'alerts.sinks.<webhook>.url',
      'alerts.sinks.<webhook>.secrets',
      'alerts.sinks.<json>.url',
      'alerts.sinks.<json>.headers',
      'alerts.heartbeat.url',
      'webhooks.<name>.url',
      'webhooks.<name>.secrets',
      'telemetry.headers.<name>',
    ]);
  });

  test('has every setting of a configuration in which all are set', async () => {
    const everything = merged(least, {
      server: { metrics_token: 'made-up', public_url: 'https://mail.acme.example' },
      redis: { url: 'redis://a' },
      telemetry: { otlp_endpoint: 'http://127.0.0.1:4318', headers: { 'x-key': 'made-up' } },
      encryption: { keys: [madeUpKey] },
      providers: {
        relay: { user: 'u', password: 'made-up', max_rate: '1/s', name: 'x' },
        box: { type: 'sandbox' },
        ses: {
          type: 'ses',
          region: 'us-east-1',
          access_key_id: 'AKIDMADEUP',
          secret_access_key: 'made-up',
          session_token: 'made-up',
          configuration_set: 'mail',
          sns_topic_arns: ['arn:aws:sns:us-east-1:123456789012:mail-events'],
          endpoint: 'https://ses.example.net',
        },
        postmark: { type: 'postmark', server_token: 'made-up', webhook_user: 'u', webhook_password: 'made-up' },
        sendgrid: {
          type: 'sendgrid',
          api_key: 'made-up',
          webhook_public_key:
            'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7ZK+Uzw09+hX5jKhWSOCy1Emzqp5N7JEyIySn5U6QUqhQu8tQnLUJ+IrX+Asu++af5jcCXeWmAABcnSwhUN5pQ==',
        },
        mailgun: { type: 'mailgun', api_key: 'made-up', domain: 'mg.acme.example', webhook_signing_key: 'made-up' },
        resend: { type: 'resend', api_key: 'made-up', webhook_secret: 'whsec_bWFkZS11cC1zZWNyZXQ=' },
        chimp: {
          type: 'mandrill',
          api_key: 'made-up',
          webhook_key: 'made-up',
          webhook_url: 'https://mail.acme.example/x',
        },
        own: { type: 'module', module: './own.mjs', options: { url: 'https://made-up.example', deep: { token: 'x' } } },
      },
      streams: { default: { health: { mode: 'suggest' } } },
      alerts: {
        sinks: {
          chat: { type: 'slack', url: 'https://hooks.example.com/made-up' },
          pager: { type: 'pagerduty', routing_key: 'made-up' },
          genie: { type: 'opsgenie', api_key: 'made-up' },
          hook: { type: 'webhook', url: 'https://acme.example/made-up', secrets: [madeUpSecret] },
          own: {
            type: 'json',
            url: 'https://acme.example/made-up',
            headers: { Authorization: 'made-up' },
            template: '{"title": {{title}}}',
          },
          mail: { type: 'email', from: 'alerts@acme.example', to: ['oncall@acme.example'] },
          line: { type: 'log' },
        },
        link: 'https://acme.example/{incident}',
        heartbeat: { url: 'https://hc.example.com/made-up' },
      },
      webhooks: { app: { url: 'https://acme.example/made-up', secrets: [madeUpSecret] } },
    });
    const { config } = await load(everything);
    const paths = new Set(table.map(({ path }) => path.replace(/<\w+>/, '*')));
    // What is in a module's `options` is its own affair: for us they are one setting.
    const isOpen = (path: string[]) => ['options', 'headers'].includes(path.at(-1) ?? '') && path[0] !== 'telemetry';
    const named = ['providers', 'streams', 'webhooks'];
    const isNamed = ([section = '', key = '']: string[], index: number) =>
      index === 1
        ? named.includes(section)
        : index === 2 && ['alerts.sinks', 'telemetry.headers'].includes(`${section}.${key}`);
    const leaves = (value: unknown, path: string[]): string[] =>
      typeof value !== 'object' || value === null || Array.isArray(value) || isOpen(path)
        ? [path.map((key, index) => (isNamed(path, index) ? '*' : key)).join('.')]
        : Object.entries(value).flatMap(([key, item]) => leaves(item, [...path, key]));
    const set = new Set(leaves(config, []));
    expect([...set].filter((path) => !paths.has(path))).toEqual([]);
    expect([...paths].filter((path) => !set.has(path))).toEqual(['redis.sentinel_password', 'providers.*.tls_ca']);
  });
});

describe('the description', () => {
  test('of the demo gives the same settings when it is loaded', async () => {
    const { config } = await loadConfig({ env: {}, cwd: folder() });
    const again = await load(describeConfig(config));
    expect(again.config).toEqual(config);
  });

  test('of production does so, but for the secrets', async () => {
    const { config } = await loadConfig({ file: join(root, 'config/production.yaml'), env, cwd: folder() });
    const text = describeConfig(config);
    expect(text).toContain('url: redis://••••@redis.example.com:6379\n');
    expect(text).toContain('metrics_token: ••••\n');
    expect(text).toContain('keys:\n    - ••••\n');
    expect(text).toContain('max_rate: 50/s\n');
    expect(text).toContain('body_limit: 10MB\n');
    expect(text).toContain('timeout: 15s\n');
    expect(text).not.toContain('made-up');
    // What was hidden, in the order of the file; the topic is not hidden, and the access key is half of a secret only.
    const secrets = [
      env.MAILOVER_METRICS_TOKEN,
      madeUpKey,
      env.MANDRILL_API_KEY,
      env.MANDRILL_WEBHOOK_KEY,
      env.SES_SECRET_ACCESS_KEY,
      env.POSTMARK_SERVER_TOKEN,
      env.POSTMARK_WEBHOOK_PASSWORD,
      env.RELAY_PASSWORD,
    ].values();
    const filled = text
      .replace('redis://••••@', 'redis://:made-up-redis@')
      .replace(/••••$/gm, () => secrets.next().value ?? 'one secret too many');
    expect(secrets.next().done).toBe(true);
    expect((await load(filled)).config).toEqual(config);
  });

  test('hides all that a module is told', async () => {
    const own = { type: 'module', module: './own.mjs', options: { url: 'made-up', deep: { list: ['made-up', 7] } } };
    const { config } = await load(merged(least, { providers: { own } }));
    const text = describeConfig(config);
    expect(text).toContain('module: ./own.mjs\n');
    expect(text).toContain('options:\n      url: ••••\n      deep:\n        list: ••••\n');
    expect(text).not.toContain('made-up');
  });
});
