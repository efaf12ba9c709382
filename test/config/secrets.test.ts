// No secret ever shows: neither in a fault, whatever else is wrong, nor in the description of sound settings.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are settings
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeConfig } from '../../config/describe.ts';
import { ConfigFault } from '../../config/faults.ts';
import { loadConfig } from '../../config/load.ts';
import { maskUrl } from '../../config/redis-url.ts';
import { folder, madeUpKey } from './support.ts';

type Data = Record<string, unknown>;

// Settings with the secret in every place where one belongs, and sound but for the secret's own form.
const withSecret = (secret: string): Data => ({
  server: { metrics_token: secret, port: 3000 },
  redis: { url: `redis://:${encodeURIComponent(secret)}@redis.example.com:6379` },
  encryption: { keys: [madeUpKey] },
  providers: {
    relay: { type: 'smtp', host: 'smtp.example.com', user: 'u', password: secret },
    box: { type: 'sandbox' },
  },
  streams: { default: { providers: ['relay', 'box'] } },
});

// Full of what YAML, URLs and `${}` make something of; but not the whole name of a variable, which a fault has to name.
const secrets = fc
  .array(fc.constantFrom(...'qzx7QZX:#\'"{}[]!*&@%|> \t\\,-?=/$éß'), { minLength: 1, maxLength: 12 })
  .map((signs) => `Zq${signs.join('')}7x9Kv`)
  .filter((secret) => !/\$\{\w{6}/.test(secret));

// What people do to settings by mistake.
const mistakes: Record<string, (settings: Data, secret: string) => void> = {
  none: () => {},
  'misspelled key': (settings, secret) => set(settings, ['providers', 'relay', 'passwrod'], secret),
  'unknown section': (settings, secret) => set(settings, ['smtp'], { password: secret, list: [secret] }),
  'type not known': (settings, secret) => set(settings, ['providers', 'chimp'], { type: 'mandril', api_key: secret }),
  'no type': (settings, secret) => set(settings, ['providers', 'chimp'], { api_key: secret }),
  'key not base64': (settings, secret) => set(settings, ['encryption', 'keys'], [secret]),
  'key no list': (settings, secret) => set(settings, ['encryption', 'keys'], secret),
  'key as section': (settings, secret) => set(settings, ['encryption'], secret),
  'password in a list': (settings, secret) => set(settings, ['providers', 'relay', 'password'], [secret]),
  'password in a section': (settings, secret) => set(settings, ['providers', 'relay', 'password'], { value: secret }),
  'password for a provider': (settings, secret) => set(settings, ['providers', 'relay'], secret),
  'password without user': (settings) => set(settings, ['providers', 'relay', 'user'], null),
  'address as it is': (settings, secret) => set(settings, ['redis', 'url'], `redis://:${secret}@h:6379`),
  'address of a kind to come': (settings, secret) => set(settings, ['redis', 'url'], `redis+sentinel://:${secret}@h`),
  'address in a list': (settings, secret) => set(settings, ['redis', 'url'], [`redis://:${secret}@h`]),
  'public address with a login': (settings, secret) => set(settings, ['server', 'public_url'], `https://u:${secret}@h`),
  'numbers at fault': (settings) => set(settings, ['server', 'port'], 'x'),
  'two faults between settings': (settings) => {
    set(settings, ['health'], { rest: '1h' });
    set(settings, ['streams', 'other'], { providers: ['none', 'none'] });
  },
  'variable missing beside it': (settings, secret) =>
    set(settings, ['server', 'metrics_token'], `${secret}\${MISSING_X}`),
};

function set(settings: Data, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) settings[key] = value;
  else {
    if (typeof settings[key] !== 'object') settings[key] = {};
    set(settings[key] as Data, rest, value);
  }
}

async function saidOf(text: string, env: Record<string, string>, files: Record<string, string>): Promise<string> {
  const cwd = folder({ ...files, 'm.yaml': text });
  try {
    const { config, warnings } = await loadConfig({ file: 'm.yaml', env, cwd });
    return [describeConfig(config), ...warnings].join('\n');
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    return [error.message, error.stack, JSON.stringify(error.faults)].join('\n');
  }
}

// A part of it long enough to be no accident.
function expectHidden(said: string, secret: string): void {
  for (let start = 0; start + 6 <= secret.length; start++) expect(said).not.toContain(secret.slice(start, start + 6));
}

const kinds = fc.subarray(Object.keys(mistakes), { minLength: 1, maxLength: 4 });
const runs = { numRuns: 150 };

describe('a secret never shows', () => {
  test('written in the file', async () => {
    await fc.assert(
      fc.asyncProperty(secrets, kinds, async (secret, chosen) => {
        const settings = withSecret(secret);
        for (const kind of chosen) mistakes[kind]!(settings, secret);
        expectHidden(await saidOf(JSON.stringify(settings), {}, {}), secret);
      }),
      runs,
    );
  });

  test('from a variable or a file', async () => {
    await fc.assert(
      fc.asyncProperty(secrets, kinds, fc.boolean(), async (secret, chosen, fromFile) => {
        const settings = withSecret(fromFile ? '${file:secret}' : '${SECRET}');
        set(settings, ['redis', 'url'], 'redis://:${SECRET}@h:6379');
        for (const kind of chosen) mistakes[kind]!(settings, fromFile ? '${file:secret}' : '${SECRET}');
        const said = await saidOf(
          JSON.stringify(settings),
          { SECRET: secret, REDIS_URL: '' },
          { secret: `${secret}\n` },
        );
        expectHidden(said, secret);
      }),
      runs,
    );
  });

  test('in a fault, where a variable with it stands in for a setting that is no secret', async () => {
    await fc.assert(
      fc.asyncProperty(
        secrets,
        fc.constantFrom('host', 'port', 'timeout', 'tls', 'max_rate', 'type', 'tls_ca'),
        async (secret, key) => {
          const settings = withSecret('made-up');
          set(settings, ['server', 'port'], 'x');
          set(settings, ['providers', 'relay', key], '${SECRET}');
          expectHidden(await saidOf(JSON.stringify(settings), { SECRET: secret }, {}), secret);
        },
      ),
      runs,
    );
  });

  test('in YAML that is broken where it stands', async () => {
    const forms = fc.constantFrom(
      (secret: string) => `password: ${secret}`,
      (secret: string) => `password: "${secret}`,
      (secret: string) => `password: '${secret}`,
      (secret: string) => `password: *${secret}`,
      (secret: string) => `password: !${secret} x`,
      (secret: string) => `password: &${secret} x`,
      (secret: string) => `password: [${secret}`,
      (secret: string) => `password: |${secret}`,
      (secret: string) => `password: "\\${secret}"`,
      (secret: string) => `password: a: ${secret}`,
      (secret: string) => `password: "x" ${secret}`,
      (secret: string) => `%${secret}\n---\na: 1`,
      (secret: string) => `password:\n  - a\n ${secret}`,
    );
    await fc.assert(
      fc.asyncProperty(secrets, forms, async (secret, form) => {
        const text = `${form(secret)}\nstreams: {}\n`;
        expectHidden(await saidOf(text, {}, {}), secret);
      }),
      { numRuns: 300 },
    );
  });

  test('in the address of Redis', () => {
    fc.assert(
      fc.property(
        secrets,
        fc.constantFrom('redis://:', 'rediss://u:', 'redis://', 'REDIS://u:', 'redis:', ''),
        (secret, before) => {
          for (const after of ['@h', '@h:1/0', '@h?x', '@'])
            expectHidden(maskUrl(`${before}${secret}${after}`), secret);
        },
      ),
    );
  });
});

test('the settings of these tests are sound but for the mistake', async () => {
  const said = await saidOf(JSON.stringify(withSecret('made-up')), {}, {});
  expect(said).toContain('password: ••••');
  expect(said).toContain('url: redis://••••@redis.example.com:6379');
});

test.each([
  ['redis://localhost:6379/0', 'redis://localhost:6379/0'],
  ['redis://[::1]:6379', 'redis://[::1]:6379'],
  ['rediss://user:made-up@h:6380', 'rediss://••••@h:6380'],
  ['unix:///run/redis.sock', 'unix:///run/redis.sock'],
  ['redis://:made-up', '••••'],
  ['made-up', '••••'],
])('%s is shown as %s', (url, shown) => expect(maskUrl(url)).toBe(shown));
