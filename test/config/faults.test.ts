// Every fault: where it is shown, what is shown of the value, and the mend.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are settings
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { faultOf, folder, least, load, madeUpKey, madeUpSecret, merged } from './support.ts';

const relay = (settings: object) => ({ providers: { relay: settings } });
const mailSink = { type: 'email', from: 'alerts@acme.example', to: ['oncall@acme.example'] };
const jsonSink = { type: 'json', url: 'https://acme.example/made-up' };
const hook = { url: 'https://acme.example/made-up', secrets: [madeUpSecret] };
const zeros = Buffer.alloc(32).toString('base64');

describe('one fault', () => {
  test.each<[object, string, string, string]>([
    // Unknown keys
    [{ severs: {} }, 'severs', '{…}', 'did you mean server?'],
    [{ server: { prot: 1 } }, 'server.prot', '••••', 'did you mean port?'],
    [{ server: { bodyLimit: '1MB' } }, 'server.bodyLimit', '••••', 'did you mean body_limit?'],
    [
      { redis: { colour: 'red' } },
      'redis.colour',
      '••••',
      'known here are url, sentinel_password, wait_replicas, wait_timeout, data_dir, durability',
    ],
    [{ alerts: { to: 'x' } }, 'alerts.to', '••••', 'known here are sinks, mute'],
    [{ alerts: { sinks: { chat: { type: 'slak' } } } }, 'alerts.sinks.chat.type', '"slak"', 'slack, pagerduty'],
    [
      { alerts: { sinks: { chat: { type: 'slack', url: 'hooks.slack.com/x' } } } },
      'alerts.sinks.chat.url',
      '••••',
      'write all of it',
    ],
    [
      { alerts: { sinks: { a: { ...mailSink, stream: 'none' } } } },
      'alerts.sinks.a.stream',
      '"none"',
      'names no stream',
    ],
    [
      { alerts: { sinks: { a: { ...jsonSink, template: '{"a": "{{title}}"}' } } } },
      'alerts.sinks.a.template',
      JSON.stringify('{"a": "{{title}}"}'),
      'is not JSON once',
    ],
    [
      { alerts: { sinks: { a: { ...jsonSink, template: '{"a": {{tilte}}}' } } } },
      'alerts.sinks.a.template',
      JSON.stringify('{"a": {{tilte}}}'),
      'known are id, key',
    ],
    [
      { webhooks: { app: { ...hook, secrets: ['whsec_c2hvcnQ='] } } },
      'webhooks.app.secrets.0',
      '••••',
      '24 to 64 bytes',
    ],
    [{ webhooks: { app: { ...hook, events: ['mail.sent'] } } }, 'webhooks.app.events.0', '"mail.sent"', 'is no event'],
    [{ webhooks: { app: { ...hook, streams: ['none'] } } }, 'webhooks.app.streams.0', '"none"', 'names no stream'],
    [{ delivery: { concurrency: { crtical: 1 } } }, 'delivery.concurrency.crtical', '••••', 'did you mean critical?'],
    [relay({ max_rates: '5/s' }), 'providers.relay.max_rates', '••••', 'did you mean max_rate?'],
    [relay({ mode: 'deliver' }), 'providers.relay.mode', '••••', 'is no setting'],
    [{ streams: { default: { rescues: 'off' } } }, 'streams.default.rescues', '••••', 'did you mean rescue?'],

    // Kinds of value
    [{ server: 5 }, 'server', '••••', 'must be a section'],
    [{ server: null }, 'server', '', 'is empty: give it a value, or leave the line out'],
    [{ server: { host: null } }, 'server.host', '', 'is empty: give it a value, or leave the line out'],
    [{ server: { host: 'http://x' } }, 'server.host', '"http://x"', 'must be a host name or an IP address'],
    [{ server: { host: 'x:80' } }, 'server.host', '"x:80"', 'must be a host name or an IP address'],
    [{ server: { port: 65_536 } }, 'server.port', '65536', 'must be a whole number from 0 to 65535'],
    [{ server: { port: 1.5 } }, 'server.port', '1.5', 'must be a whole number'],
    [{ server: { port: 'http' } }, 'server.port', '"http"', 'must be a whole number'],
    [{ server: { port: [80] } }, 'server.port', '[…]', 'must be a whole number'],
    [{ server: { port: true } }, 'server.port', 'true', 'must be a whole number'],
    [{ server: { request_timeout: 30 } }, 'server.request_timeout', '30', 'needs a unit: write 30s'],
    [{ server: { request_timeout: '30' } }, 'server.request_timeout', '"30"', 'such as 30s, 15m or 2h'],
    [{ server: { request_timeout: '0s' } }, 'server.request_timeout', '"0s"', 'must be from 1ms to 1h'],
    [{ server: { request_timeout: '30d' } }, 'server.request_timeout', '"30d"', 'must be from 1ms to 1h'],
    [{ server: { request_timeout: -3 } }, 'server.request_timeout', '-3', 'is no duration'],
    [{ server: { request_timeout: true } }, 'server.request_timeout', 'true', 'must be text: put it in quotes'],
    [
      { server: { body_limit: 1000 } },
      'server.body_limit',
      '1000',
      'needs a unit: write 1000B, or a number of KB or MB',
    ],
    [
      { server: { body_limit: '10mb' } },
      'server.body_limit',
      '"10mb"',
      'is no size: write a whole number and a unit, such as 512KB',
    ],
    [{ server: { body_limit: '2GB' } }, 'server.body_limit', '"2GB"', 'must be from 1B to 1GB'],
    [{ server: { trust_proxy: '10.0.0.1' } }, 'server.trust_proxy', '••••', 'must be a list'],
    [{ server: { trust_proxy: ['10.0.0.0/33'] } }, 'server.trust_proxy.0', '"10.0.0.0/33"', 'an IP address or a range'],
    [
      { server: { trust_proxy: ['::1', 'loopback'] } },
      'server.trust_proxy.1',
      '"loopback"',
      'an IP address or a range',
    ],
    [
      { server: { public_url: 'mail.acme.example' } },
      'server.public_url',
      '"••••"',
      'write scheme, host and perhaps a path',
    ],
    [
      { server: { public_url: 'https://u:p@acme.example' } },
      'server.public_url',
      '"https://••••@acme.example"',
      'write scheme',
    ],
    [{ server: { public_url: 'https://acme.example/?a=b' } }, 'server.public_url', '"••••"', 'write scheme'],
    [
      { server: { metrics_token: '' } },
      'server.metrics_token',
      '••••',
      'is empty: give it a value, or leave the line out',
    ],
    [{ redis: { durability: 'on' } }, 'redis.durability', '"on"', 'must be one of strict, relaxed'],
    [{ redis: { data_dir: '' } }, 'redis.data_dir', '""', 'is empty'],
    [{ health: { failure_share: 1.1 } }, 'health.failure_share', '1.1', 'must be a number from 0 to 1'],
    [{ health: { failure_share: '50%' } }, 'health.failure_share', '"50%"', 'must be a number from 0 to 1'],
    [{ health: { min_volume: 0 } }, 'health.min_volume', '0', 'must be a whole number from 1'],
    [{ limits: { subject: -1 } }, 'limits.subject', '-1', 'must be a whole number from 1'],
    [{ delivery: { concurrency: { bulk: 0 } } }, 'delivery.concurrency.bulk', '0', 'must be a whole number from 1'],

    // Redis
    [
      { redis: { url: 'redis+sentinel://:made-up@a:1,b:2' } },
      'redis.url',
      '"redis+sentinel://••••@a:1,b:2"',
      'redis+sentinel://host:26379,host:26379/name',
    ],
    [{ redis: { wait_timeout: '3s' } }, 'redis.wait_timeout', '"3s"', 'must be from 10ms to 2s'],
    [{ redis: { url: 'redis+cluster://a:1,/3' } }, 'redis.url', '"••••"', 'redis+cluster://host:6379,host:6379'],
    [{ redis: { url: 'redis+cluster://a:1/3' } }, 'redis.url', '"redis+cluster://a:1/3"', 'which nodes'],
    [
      { redis: { url: 'http://a:1' } },
      'redis.url',
      '"http://a:1"',
      'write redis://host:6379, rediss://host:6379, unix:///',
    ],
    [{ redis: { url: 'localhost:6379' } }, 'redis.url', '"••••"', 'write redis://host:6379'],
    [{ redis: { url: 'redis://:made-up' } }, 'redis.url', '"••••"', 'write redis://host:6379'],
    [{ redis: { url: 'redis://' } }, 'redis.url', '"redis://"', 'names no host'],
    [{ redis: { url: 'redis://a/db' } }, 'redis.url', '"redis://a/db"', 'redis://host:6379/0'],
    [{ redis: { url: 'redis://a?password=made-up' } }, 'redis.url', '"••••"', '%3F'],
    [{ redis: { url: 'redis://:made#up@a' } }, 'redis.url', '"redis://••••@a"', '%23'],
    [
      { redis: { url: 'unix://run/redis.sock' } },
      'redis.url',
      '"unix://run/redis.sock"',
      'write unix:///path/to/socket',
    ],
    [{ redis: { url: 'unix:///' } }, 'redis.url', '"unix:///"', 'write unix:///path/to/socket'],
    [{ redis: { url: 6379 } }, 'redis.url', '••••', 'put it in quotes'],

    // Encryption
    [{ encryption: { keys: [zeros] } }, 'encryption.keys.0', '••••', 'is all zeros'],
    [{ encryption: { keys: [madeUpKey, 'c2hvcnQ='] } }, 'encryption.keys.1', '••••', 'holds 5 bytes and must hold 32'],
    [{ encryption: { keys: ['made up'] } }, 'encryption.keys.0', '••••', 'is not base64'],
    [{ encryption: { keys: 'a'.repeat(64) } }, 'encryption.keys', '••••', 'must be a list'],
    [{ encryption: { keys: ['ab'.repeat(32)] } }, 'encryption.keys.0', '••••', 'holds 48 bytes and must hold 32'],
    [{ redis: { url: 'redis://a' } }, 'encryption.keys', '', 'an external Redis needs one: openssl rand -base64 32'],
    [
      { redis: { url: 'redis://a' }, encryption: { keys: ['', ''] } },
      'encryption.keys',
      '••••',
      'an external Redis needs one',
    ],

    // Senders and domains
    [
      { senders: { allow: ['acme.example'] } },
      'senders.allow.0',
      '"acme.example"',
      'write an address, *@ and a domain, or *',
    ],
    [{ senders: { allow: ['*', '*@*.*.acme.example'] } }, 'senders.allow.1', '"*@*.*.acme.example"', 'is no sender'],
    [{ senders: { allow: ['b*@acme.example'] } }, 'senders.allow.0', '"b*@acme.example"', 'is no sender'],
    [{ senders: { allow: ['Acme <a@acme.example>'] } }, 'senders.allow.0', '"Acme <a@acme.example>"', 'is no sender'],
    [
      relay({ from_domains: ['a@acme.example'] }),
      'providers.relay.from_domains.0',
      '"a@acme.example"',
      'only the part after the @',
    ],
    [relay({ from_domains: ['acme.example.'] }), 'providers.relay.from_domains.0', '"acme.example."', 'is no domain'],
    [relay({ from_domains: ['192.0.2.1'] }), 'providers.relay.from_domains.0', '"192.0.2.1"', 'is no domain'],

    // Providers
    [{ providers: 'relay' }, 'providers', '••••', 'must be a section'],
    [{ providers: { Relay: { type: 'sandbox' } } }, 'providers.Relay', '{…}', 'use 1 to 63 of a-z, 0-9, _ and -'],
    [{ providers: { ['a'.repeat(64)]: { type: 'sandbox' } } }, 'providers.••••', '{…}', 'use 1 to 63 of a-z'],
    [{ providers: { extra: 'sandbox' } }, 'providers.extra', '••••', 'must be a section'],
    [{ providers: { extra: {} } }, 'providers.extra.type', '', 'must be a type that is known here: smtp, '],
    [{ providers: { extra: { type: 'smtp' } } }, 'providers.extra.host', '', 'is missing: add it'],
    [relay({ host: '' }), 'providers.relay.host', '""', 'must be a host name'],
    [
      relay({ host: 'smtp.example.com:25' }),
      'providers.relay.host',
      '"smtp.example.com:25"',
      'the port is a setting of its own',
    ],
    [relay({ port: 0 }), 'providers.relay.port', '0', 'must be a whole number from 1 to 65535'],
    [relay({ tls: 'ssl' }), 'providers.relay.tls', '"ssl"', 'must be one of starttls, implicit, none'],
    [relay({ tls: true }), 'providers.relay.tls', 'true', 'must be one of starttls'],
    [
      relay({ tls_ca: 'ca.pem' }),
      'providers.relay.tls_ca',
      '"ca.pem"',
      'must be a certificate in PEM form: write "${file:',
    ],
    [relay({ max_rate: 50 }), 'providers.relay.max_rate', '50', 'needs a unit: write 50/s'],
    [relay({ max_rate: '0/s' }), 'providers.relay.max_rate', '"0/s"', 'such as 50/s or 100/m'],
    [relay({ max_concurrency: 0 }), 'providers.relay.max_concurrency', '0', 'must be a whole number from 1'],
    [relay({ timeout: '10 s' }), 'providers.relay.timeout', '"10 s"', 'is no duration'],
    [relay({ user: 'u' }), 'providers.relay.password', '', 'set both, or neither'],
    [relay({ password: 'made-up' }), 'providers.relay.password', '••••', 'set both, or neither'],
    [relay({ user: 'u', password: '' }), 'providers.relay.password', '••••', 'is empty'],
    [relay({ user: 'u', password: '${EMPTY}' }), 'providers.relay.password', '••••', 'is empty'],
    [relay({ user: 'u', password: 12345 }), 'providers.relay.password', '••••', 'must be text: put it in quotes'],
    [relay({ user: 'u', password: ['made-up'] }), 'providers.relay.password', '••••', 'must be text'],
    [
      { providers: { extra: { type: 'sandbox', mode: 'blackhol' } } },
      'providers.extra.mode',
      '"blackhol"',
      'deliver, bounce, reject',
    ],
    [{ providers: { extra: { type: 'sandbox', share: 2 } } }, 'providers.extra.share', '2', 'from 0 to 1'],
    [{ providers: { extra: { type: 'sandbox', latency: 200 } } }, 'providers.extra.latency', '200', 'write 200s'],

    // Streams and what holds between settings
    [{ streams: null }, 'streams', '', 'is empty'],
    [{ streams: { Big: { providers: ['relay'] } } }, 'streams.Big', '{…}', 'use 1 to 63'],
    [{ streams: { other: {} } }, 'streams.other.providers', '', 'is missing: add it'],
    [{ streams: { other: { providers: [] } } }, 'streams.other.providers', '[…]', 'name at least one provider'],
    [
      { streams: { other: { providers: 'relay' } } },
      'streams.other.providers',
      '••••',
      'must be a list: write [one, two]',
    ],
    [{ streams: { other: { providers: ['realy'] } } }, 'streams.other.providers.0', '"realy"', 'configured are: relay'],
    [
      { streams: { other: { providers: ['toString'] } } },
      'streams.other.providers.0',
      '"toString"',
      'names no provider',
    ],
    [
      { streams: { other: { providers: ['relay', 'relay'] } } },
      'streams.other.providers.1',
      '"relay"',
      'name each provider once',
    ],
    [
      { streams: { default: { priority: 'high' } } },
      'streams.default.priority',
      '"high"',
      'must be one of critical, normal, bulk',
    ],
    [{ streams: { default: { on_unknown: 'retry' } } }, 'streams.default.on_unknown', '"retry"', 'one of resend, hold'],
    [{ streams: { default: { rescue: false } } }, 'streams.default.rescue', 'false', 'one of auto, ask, off'],
    [
      { streams: { default: { expires_in: '8d' } } },
      'streams.default.expires_in',
      '"8d"',
      'longer than limits.expires_max',
    ],
    [{ limits: { expires_max: '1h' } }, 'streams.default.expires_in', '', 'longer than limits.expires_max'],
    [{ health: { rest: '20m' } }, 'health.rest', '"20m"', 'longer than health.max_rest'],
    [{ retention: { bodies: '31d' } }, 'retention.bodies', '"31d"', 'longer than retention.messages'],
  ])('%j', async (change, path, value, mend) => {
    const fault = await faultOf(load(merged(least, change), { EMPTY: '' }));
    expect(fault.faults).toEqual([{ path, value, message: expect.stringContaining(mend) }]);
    expect(fault.message).toContain(fault.faults[0]!.message);

    // No fault may keep one between settings from being told in the same breath.
    const more = await faultOf(load(merged(merged(least, change), { retention: { bodies: '40d' } }), { EMPTY: '' }));
    expect(more.faults.map((each) => each.path).sort()).toEqual([...new Set([path, 'retention.bodies'])].sort());
  });

  test('a type that nobody knows', async () => {
    const fault = await faultOf(load(merged(least, { providers: { extra: { type: 'pigeon', api_key: 'made-up' } } })));
    expect(fault.faults).toEqual([
      {
        path: 'providers.extra.type',
        value: '"pigeon"',
        message: expect.stringMatching(/^must be a type that is known here: smtp, .*sandbox/),
      },
    ]);
  });

  test.each<[object, string]>([
    [{ streams: least.streams }, 'providers'],
    [{ providers: least.providers }, 'streams'],
    [{ ...least, streams: { other: { providers: ['relay'] } } }, 'streams.default'],
  ])('%j misses %s', async (settings, path) => {
    const { faults } = await faultOf(load(settings));
    expect(faults).toContainEqual({ path, value: '', message: expect.stringMatching(/is missing|is empty/) });
  });
});

test('an empty provider section is shown as such', async () => {
  const { faults } = await faultOf(load({ ...least, providers: {} }));
  expect(faults.map(({ path, message }) => `${path} ${message}`)).toEqual([
    'providers is empty: configure at least one provider',
    'streams.default.providers.0 names no provider of this file; configured are: none',
  ]);
});

test('a long value is cut, and so is one of several lines', async () => {
  const change = relay({ tls: 'x'.repeat(100), tls_ca: '-----BEGIN PRIVATE KEY-----\nmade-up' });
  const { faults } = await faultOf(load(merged(least, change)));
  expect(faults.map(({ value }) => value)).toEqual([`"${'x'.repeat(60)}…"`, '"-----BEGIN PRIVATE KEY-----…"']);
});

test('every fault of a file at once, each once', async () => {
  const fault = await faultOf(
    load(`
server: { port: 99999, port: 1.5, hots: x, request_timeout: 30 }
redis: { url: "redis+cluster://:made-up@h/1" }
encryption: { keys: ["c2hvcnQ="] }
providers:
  relay: { type: smtp, host: "smtp://x", passwrd: made-up, user: u, timeout: 2 days }
  Mail: { type: sandbox }
  chimp: { type: mandril, api_key: made-up }
  none:
streams:
  critical: { providers: [relay, relay, nobody], expires_in: 8d, on_unknown: "\${MISSING}" }
  empty: { providers: [] }
health: { rest: 1h, max_rest: 1m }
`),
  );
  expect(fault.faults.map(({ path }) => path).sort()).toEqual(
    [
      'line 2, column 24',
      'server.port',
      'server.hots',
      'server.request_timeout',
      'redis.url',
      'encryption.keys.0',
      'providers.relay.host',
      'providers.relay.passwrd',
      'providers.relay.password',
      'providers.relay.timeout',
      'providers.Mail',
      'providers.chimp.type',
      'providers.none',
      'streams.default',
      'streams.critical.providers.1',
      'streams.critical.providers.2',
      'streams.critical.expires_in',
      'streams.critical.on_unknown',
      'streams.empty.providers',
      'health.rest',
    ].sort(),
  );
  expect(fault.message).toMatch(/^\/.*mailover\.yaml has 20 faults:\n/);
  expect(fault.message.split('\n')).toHaveLength(21);
  expect(fault.message).toContain('\n  providers.chimp.type = "mandril" must be a type that is known here: smtp, ');
  expect(fault.message).not.toContain('made-up');
});

describe('YAML', () => {
  test.each([
    ['a: 1\nb: [1, 2\n', 'line 3, column 1', 'a bracket before it is not closed'],
    ['a: "made-up\n', 'line 2, column 1', 'a closing quote or bracket'],
    ['a:\n\tb: 1\n', 'line 2, column 1', 'use spaces'],
    ['a: b: c\n', 'line 1, column 4', 'put text with a colon in quotes'],
    ['a: *made-up\n', 'line 1, column 4', 'text that begins with * or & in quotes'],
    ['a: !made-up x\n', 'line 1, column 4', 'text that begins with ! in quotes'],
    ['a: @made-up\n', 'line 1, column 4', 'put the text in quotes'],
    ['a: "\\made-up"\n', 'line 1, column 5', 'double it, or use single quotes'],
    ['a: 1\n---\nb: 1\n', 'line 2, column 1', 'keep one in the file'],
    ['a: 1\n b: 2\n', 'line 1, column 4', 'mend the indentation'],
    ['a: {b: 1}}\n', 'line 1, column 10', ''],
  ])('%j', async (text, place, mend) => {
    const fault = await faultOf(load(text));
    expect(fault.faults[0]).toEqual({
      path: expect.stringContaining(place),
      value: '',
      message: expect.stringContaining(mend),
    });
    expect(fault.message).not.toContain('made-up');
  });

  test('too many aliases of aliases', async () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      );
    const { faults } = await faultOf(load(lines.join('\n')));
    expect(faults).toEqual([{ path: 'the file', value: '', message: 'has too many aliases (*): write them out' }]);
  });

  test.each(['', '# nothing\n', '{}', 'null'])('a file with nothing in it: %j', async (text) => {
    const { faults } = await faultOf(load(text));
    expect(faults.map(({ path }) => path)).toEqual(['providers', 'streams']);
  });

  test.each(['[1]', 'text', '42'])('a file that is no section: %j', async (text) => {
    const { faults } = await faultOf(load(text));
    expect(faults.map(({ path, message }) => `${path} ${message}`)).toEqual([
      expect.stringMatching(/^the file must be a section/),
    ]);
  });
});

test('a file that is not there', async () => {
  const cwd = folder();
  const fault = await faultOf(loadConfig({ file: 'none.yaml', env: {}, cwd }));
  expect(fault.faults).toEqual([
    { path: `${cwd}/none.yaml`, value: '', message: expect.stringContaining('cannot be read') },
  ]);
});
