// Documents that cannot lie: what the README and docs/ say is held against the code and against a service that runs.
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../config/load.ts';
import { providerSettings } from '../config/schema.ts';
import { settingsTable } from '../config/table.ts';
import { createProvider } from '../providers/index.ts';
import type { Provider } from '../providers/provider.ts';
import { errorTypes } from '../src/api/errors.ts';
import { statuses } from '../src/core/message.ts';
import { toDraft } from '../src/intake/draft.ts';
import { sendSchema } from '../src/intake/send-schema.ts';
import { testMail } from './providers/mail.ts';
import { quietParts } from './providers/parts.ts';
import { type Child, compile, spawnChild } from './support/child.ts';
import { startHttpServer } from './support/http-server.ts';
import { freshFolder } from './support/run-folder.ts';
import { startService } from './support/service.ts';
import { until } from './support/until.ts';

const root = resolve(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const documents = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];
const everything = documents.map(read).join('\n');

/** The text below a heading, up to the next one of any level. */
function section(heading: string, path = 'README.md'): string {
  const found = read(path)
    .split(/^#+ (?=.*$)/m)
    .find((part) => part.startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`${path} has no heading "${heading}"`);
  return found;
}

/** The rows of the first table in `text` whose head begins with `column`. */
function table(text: string, column: string): string[][] {
  const rows = text.split('\n').map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const head = rows.findIndex((cells) => cells[0] === column);
  if (head === -1) throw new Error(`there is no table that begins with "${column}"`);
  const end = rows.findIndex((cells, index) => index > head && cells.length === 0);
  return rows.slice(head + 2, end === -1 ? undefined : end);
}

/** The rows of all tables in `text` whose head begins with `column`. */
function tables(text: string, column: string): string[][] {
  return text.split(/^(?=## )/m).flatMap((part) => (part.includes(`| ${column} |`) ? table(part, column) : []));
}

const unquoted = (cell = '') => [...cell.matchAll(/`([^`]*)`/g)].map((match) => match[1] ?? '');
const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))].map((match) => match[1] ?? '');

/** The commands of a shell script as lists of words: quotes and continued lines understood, `$NAME` left as it is. */
function commands(script: string): string[][] {
  const found: string[][] = [];
  let words: string[] = [];
  let joined = false;
  for (const [whole, single, double] of script.matchAll(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"|(?:[ \t]|\\\n)+|\n|[^\s'"\\]+/g,
  )) {
    const part = single ?? double?.replace(/\\(["\\$`])/g, '$1') ?? whole;
    if (/^(?:[ \t]|\\\n)+$/.test(whole)) joined = false;
    else if (whole === '\n' || whole === '&&') {
      if (words.length > 0) found.push(words);
      words = [];
      joined = false;
    } else {
      if (joined) words.push(`${words.pop()}${part}`);
      else words.push(part);
      joined = true;
    }
  }
  return found;
}

interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | null;
}

function curl([name, ...words]: string[]): Call {
  expect(name).toBe('curl');
  let [method, url, body]: [string | null, string, string | null] = [null, '', null];
  const headers: Record<string, string> = {};
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '-X') method = words.shift() ?? '';
    else if (word === '-d') body = words.shift() ?? '';
    else if (word === '-H') {
      const [header = '', value = ''] = (words.shift() ?? '').split(/: (.*)/s);
      headers[header] = value;
    } else if (word.startsWith('http')) url = word;
    else if (word !== '-s') throw new Error(`the README tells curl ${word}, which this test does not know`);
  }
  return { method: method ?? (body === null ? 'GET' : 'POST'), url, headers, body };
}

/** A settings file with this piece in it, and the settings that come of it. Its variables are set. */
async function settingsOf(piece: string) {
  const file = join(freshFolder(), 'settings.yaml');
  const { providers, ...rest } = parse(piece) as Record<string, object>;
  const least = { providers: { box: { type: 'sandbox' }, ...providers }, streams: { default: { providers: ['box'] } } };
  writeFileSync(file, JSON.stringify({ ...least, ...rest }));
  const named = [...piece.matchAll(/\$\{([A-Z_]+)\}/g)].map(([, name = '']) => [name, 'made-up']);
  const env = { ...Object.fromEntries(named), ...keysOfAForm };
  return { file, ...(await loadConfig({ file, env, cwd: root })) };
}

// These are looked at before they are believed to be keys.
const keysOfAForm = {
  MAILOVER_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64'),
  SLACK_WEBHOOK_URL: 'https://hooks.example.com/made-up',
  HEARTBEAT_URL: 'https://hc.example.com/made-up',
  ALERT_WEBHOOK_SECRET: `whsec_${Buffer.from('made-up-secret-for-a-test').toString('base64')}`,
  APP_WEBHOOK_SECRET: `whsec_${Buffer.from('made-up-secret-for-a-test').toString('base64')}`,
  RESEND_WEBHOOK_SECRET: 'whsec_bWFkZS11cC1zZWNyZXQ=',
  SENDGRID_WEBHOOK_PUBLIC_KEY:
    'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE7ZK+Uzw09+hX5jKhWSOCy1Emzqp5N7JEyIySn5U6QUqhQu8tQnLUJ+IrX+Asu++af5jcCXeWmAABcnSwhUN5pQ==',
};

const allCommands = documents.flatMap((path) => blocks(read(path), 'sh').flatMap(commands));
const allCalls = allCommands.filter(([name]) => name === 'curl').map(curl);

let service: Child;
let url: string;
let key: string;
beforeAll(async () => {
  const env = { PORT: '0', MAILOVER_DATA_DIR: freshFolder('docs') };
  service = await spawnChild('src/cli/main.ts', { args: ['serve'], env, cwd: freshFolder('docs') });
  url = /http\S+\d/.exec(await service.waitFor('Mailover is ready'))?.[0] ?? '';
  key = (await service.waitFor('export MAILOVER_KEY=')).split('=')[1] ?? '';
}, 60_000);
afterAll(async () => {
  service?.kill('SIGTERM');
  await service?.exit;
});

async function run(call: Call) {
  const headers = Object.entries(call.headers).map(([name, value]) => [name, value.replace('$MAILOVER_KEY', key)]);
  const answer = await fetch(call.url.replace('http://127.0.0.1:3000', url), {
    method: call.method,
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: call.body,
  });
  return { status: answer.status, body: (await answer.json()) as { data: Record<string, unknown>[]; id: string } };
}

const get = async (path: string) => (await fetch(url + path)).text();

describe('the steps of the first screen', () => {
  test('start, send, see it arrive, suspend, send again, see it arrive through the standby', async () => {
    const steps = blocks(section('Try it'), 'sh').flatMap(commands);
    expect(steps.slice(0, 3).map((words) => words.slice(0, 2).join(' '))).toEqual([
      'npm ci',
      'npm start',
      'export MAILOVER_KEY=mo_…',
    ]);
    expect(JSON.parse(read('package.json')).scripts.start).toBe('node dist/src/cli/main.js serve');
    expect(key).toMatch(/^mo_/);

    const calls = steps.slice(3, -2).map(curl);
    expect(calls.map(({ method, url: to }) => `${method} ${to.slice('http://127.0.0.1:3000'.length)}`)).toEqual([
      'POST /v1/emails',
      'GET /v1/sandbox/inbox',
      'PUT /v1/providers/primary/sandbox',
      'POST /v1/emails',
      'GET /v1/emails?limit=1',
      'GET /v1/providers',
      'PUT /v1/providers/primary/sandbox',
    ]);
    const [send, inbox, suspend, sendAgain, list, providers, mend] = calls as [
      Call,
      Call,
      Call,
      Call,
      Call,
      Call,
      Call,
    ];

    const first = await run(send);
    expect(first).toMatchObject({ status: 202, body: { object: 'email', status: 'queued' } });
    const mail = await until(async () => (await run(inbox)).body.data[0], { what: 'the mail in the inbox' });
    expect(mail).toMatchObject({ provider: 'primary', message_id: first.body.id, to: ['ada@example.com'] });

    expect(await run(suspend)).toMatchObject({ status: 200, body: { mode: 'suspend' } });
    const second = await run(sendAgain);
    const message = await until(async () => (await run(list)).body.data.find(({ status }) => status === 'delivered'), {
      what: 'the second mail to be delivered',
    });
    expect(message.id).toBe(second.body.id);
    expect(message).toMatchObject(JSON.parse(blocks(section('Try it'), 'json')[0] ?? ''));
    const states = (await run(providers)).body.data.map(({ name, state }) => [name, state]);
    expect(states).toEqual([
      ['primary', 'suspended'],
      ['standby', 'up'],
    ]);
    expect(await run(mend)).toMatchObject({ status: 200, body: { mode: 'deliver' } });
    // The terminal shows the same first mail.
    expect(service.stdout.join('\n')).toContain(send.body);
  });
});

/** Every list of values that a property of this name may have, wherever it stands in `schema`. */
function choices(schema: unknown, name: string): unknown[][] {
  if (typeof schema !== 'object' || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) => {
    const own = key === name ? [value, ...((value as { anyOf?: unknown[] }).anyOf ?? [])] : [];
    const lists = own.map((each) => (each as { enum?: unknown[] }).enum).filter((list) => list !== undefined);
    return [...lists, ...choices(value, name)];
  });
}

describe('the tables of the README', () => {
  test('errors are those of the registry', () => {
    const told = table(section('Errors'), 'status').map(([status, name, title]) => [status, unquoted(name)[0], title]);
    const known = Object.entries(errorTypes).map(([name, { status, title }]) => [String(status), name, title]);
    expect(told).toEqual(known);
  });

  test('statuses, outcomes and modes are those of the API', async () => {
    const api: unknown = JSON.parse(await get('/openapi.json'));
    expect(table(section('Sending'), 'status').flatMap(([cell]) => unquoted(cell))).toEqual([...statuses]);
    const outcomes = table(readme, 'outcome').flatMap(([cell]) => unquoted(cell));
    expect(choices(api, 'outcome')).toContainEqual(outcomes);
    const modes = unquoted(/A sandbox's `mode` is one of .*/.exec(readme)?.[0]).slice(1);
    expect(choices(api, 'mode')).toContainEqual(modes);
  });

  test('calls are those that the service has', async () => {
    const told = table(section('Calls'), 'call').flatMap(([call, scope]) =>
      unquoted(call).map((each) => `${each} ${scope?.startsWith('none') ? 'open' : 'with a key'}`),
    );
    const { paths } = JSON.parse(await get('/openapi.json')) as {
      paths: Record<string, Record<string, { security?: unknown }>>;
    };
    const known = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, { security }]) => `${method.toUpperCase()} ${path} ${security ? 'with a key' : 'open'}`,
      ),
    );
    expect(told.sort()).toEqual([...known, 'GET /openapi.json open', 'GET /docs open'].sort());
    expect((await fetch(`${url}/docs`)).status).toBe(200);
  });

  test('fields are those of a send', () => {
    const told = table(section('Sending'), 'field').flatMap(([cell]) => unquoted(cell));
    const { properties } = z.toJSONSchema(sendSchema, { io: 'input' });
    expect(told.sort()).toEqual(Object.keys(properties ?? {}).sort());
  });

  test('metrics are those of a running service', async () => {
    const told = tables(read('docs/metrics.md'), 'metric').flatMap(([cell]) => unquoted(cell));
    const shown = await get('/metrics');
    const known = [...shown.matchAll(/^# TYPE (mailover_\w+)/gm)].map((match) => match[1]);
    expect(told.map((name) => name.split('{')[0]).sort()).toEqual(known.sort());
    // Where there is a sample of it, its labels are those that are told.
    for (const told_ of told) {
      const [, name, labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(told_) ?? [];
      const sample = new RegExp(`^${name}(?:_count)?(?:\\{(.*)\\})? `, 'm').exec(shown);
      if (sample) expect([...(sample[1] ?? '').matchAll(/(\w+)="/g)].map((match) => match[1]).join()).toBe(labels);
    }
    // The other names that begin so are those under which adapters send our id.
    const adapters = readdirSync(join(root, 'providers'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => read(join('providers', name)));
    const spelt = [...adapters.join('\n').matchAll(/'(mailover_\w+)'/g)].map((match) => match[1]);
    for (const [name] of everything.matchAll(/\bmailover_[a-z_]+/g)) expect([...known, ...spelt]).toContain(name);
  });

  test('variables are those that the code reads', () => {
    const sources = ['src', 'config'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => read(join(folder, name))),
    );
    const inCode = [
      ...sources.join('\n').matchAll(/\b(?:env\.|environmentVariable\(')([A-Z_]+)/g),
      ...read('config/environment.ts').matchAll(/'([A-Z_]+)'/g),
    ];
    const inDemo = read('config/demo.yaml').matchAll(/\$\{([A-Z_]+)/g);
    const known = new Set([...inCode, ...inDemo].map((match) => match[1]));
    // Any program reads this one.
    known.delete('PATH');
    const told = table(section('Settings'), 'variable').flatMap(([cell]) => unquoted(cell));
    expect(told.sort()).toEqual([...known].sort());

    // Settings that are shown may name variables of their own.
    const shown = [...everything.matchAll(/\$\{([A-Z_]+)\}/g)].map((match) => match[1]).join('\n');
    const inFiles = ['.env.example', '.ci/run', 'test/support/tally.ts', 'test/bench/figures.ts'].map(read).join('\n');
    const used = shown + inFiles + sources.join('\n');
    for (const [name] of everything.matchAll(/\b[A-Z]+_[A-Z_]+\b/g)) expect(used).toMatch(new RegExp(`\\b${name}\\b`));
  });
});

test('the figures in the documents are the defaults', async () => {
  const { server, delivery, health, limits, providers, rescue } = (await loadConfig({ env: {}, cwd: freshFolder() }))
    .config;
  const said: [number | undefined, string][] = [
    [health.window / 60_000, 'fail within a minute'],
    [health.failure_share * 2, 'at least half of its hand-overs fail'],
    [health.min_volume / 5, 'five of them or more'],
    [health.min_volume / 5, 'or ten in a row do'],
    [health.rest / 30_000, 'rests for 30 seconds'],
    [health.max_rest / 900_000, 'up to 15 minutes'],
    [health.probes / 3, 'three that are confirmed as delivered bring it back'],
    [health.ramp_dwell / 60_000, 'a minute each at least'],
    [health.self_probe / 30_000, 'posts to itself that way every 30 seconds'],
    [health.learn_from / 50, '50 messages have been heard of (`health.learn_from`)'],
    [rescue.rate / 20, '20 a second at most (`rescue.rate`)'],
    [server.shutdown_timeout / 25_000, '`server.shutdown_timeout` (25 s)'],
    [(providers.primary?.timeout ?? 0) / 10_000, '`timeout` (10 s by default)'],
    [delivery.concurrency.normal / 32, '(32 of the normal lane by default)'],
    [(providers.primary?.max_concurrency ?? 0) / 32, '`max_concurrency` mails at a time (32 by default)'],
    [limits.recipients / 50, 'together at most 50'],
    [limits.subject / 998, 'at most 998 characters'],
    [limits.schedule_ahead / (30 * 86_400_000), 'at most 30 days ahead'],
    [limits.batch / 100, 'a list of at most 100 mails'],
    [health.account_check / 60_000, 'Every minute it is asked about our account there'],
    [health.account_check / 60_000, 'Every 60 seconds (`health.account_check`)'],
    [health.account_refusals, 'at the first such answer (`health.account_refusals`)'],
    [delivery.poll_after / 300_000, 'nothing has come for five minutes (`delivery.poll_after`)'],
    [delivery.polls * 6, 'at most ten times a minute (`delivery.polls`)'],
  ];
  for (const [ratio, words] of said) {
    expect(everything.replace(/\s+/g, ' ')).toContain(words);
    expect(ratio, words).toBe(1);
  }
});

describe('docs/settings.md', () => {
  test('has every setting with its type, default and meaning (-u writes the tables anew)', async () => {
    await expect(withTables(read('docs/settings.md'))).toMatchFileSnapshot(join(root, 'docs/settings.md'));
  });
});

/** The document with its tables made from the schema; sections that no setting has any more go, new ones come at the end. */
function withTables(document: string): string {
  const tables = new Map<string, string[]>();
  for (const { path, type, default: fallback, meaning, secret } of settingsTable()) {
    const [, section, kind] = /^(providers|alerts\.sinks)\.<(?!name>)(\w+)>/.exec(path) ?? [];
    const of = section === 'providers' ? 'Providers' : 'Sinks';
    const heading = kind ? `## ${of} of the type \`${kind}\`` : `## \`${path.split('.')[0]}\``;
    const cells = [
      `\`${path.replace(/<\w+>/, '<name>')}\``,
      type.replaceAll('|', '\\|'),
      ['none', 'required'].includes(fallback) ? fallback : `\`${fallback}\``,
      `${meaning}${secret ? ' Secret.' : ''}`,
    ];
    const rows = tables.get(heading) ?? ['| setting | type | default | meaning |', '| --- | --- | --- | --- |'];
    tables.set(heading, [...rows, `| ${cells.join(' | ')} |`]);
  }
  const [intro = '', ...sections] = document.split(/^(?=## )/m);
  const headings = new Set([...sections.map((text) => text.split('\n', 1)[0] ?? ''), ...tables.keys()]);
  const written = [...headings].flatMap((heading) => {
    const rows = tables.get(heading);
    const old = sections.find((text) => text.startsWith(`${heading}\n`)) ?? heading;
    const prose = old.replace(/^\|.*\n/gm, '').trim();
    return rows ? [`${prose}\n\n${rows.join('\n')}\n`] : [];
  });
  return [`${intro.trim()}\n`, ...written].join('\n');
}

describe('docs/providers.md', () => {
  const page = read('docs/providers.md');
  const pieces = blocks(page, 'yaml');
  const made: Provider[] = [];
  let byType: Map<string, Provider>;
  beforeAll(async () => {
    for (const piece of pieces) {
      const { config } = await settingsOf(piece);
      for (const [name, settings] of Object.entries(config.providers))
        if (!['module', 'sandbox'].includes(settings.type))
          made.push(await createProvider(name, settings, quietParts()));
    }
    byType = new Map(made.map((provider) => [provider.type, provider]));
  });
  afterAll(() => Promise.all(made.map((provider) => provider.close())));

  test('has an example of every type, but for the sandbox', () => {
    const types = providerSettings.options.map(({ shape }) => shape.type.value).filter((type) => type !== 'sandbox');
    expect([...byType.keys(), 'module'].sort()).toEqual(types.sort());
  });

  test('says what each type can do', () => {
    const told = table(page, 'type').map(([type, , , ...can]) => [unquoted(type)[0], ...can]);
    const known = [...byType].map(([type, { traits, lookUp, account }]) => [
      type,
      ...[traits.confirmsDelivery, lookUp, traits.idempotent, account].map((can) => (can ? 'yes' : 'no')),
    ]);
    expect(told.sort()).toEqual(known.sort());
    const proofs = table(page.slice(page.indexOf('| type | proven by |')), 'type').flatMap(([type]) => unquoted(type));
    const listening = [...byType].flatMap(([type, { webhook }]) => (webhook ? [type] : []));
    expect(proofs.sort()).toEqual(listening.sort());
  });

  test('says how much each type takes', () => {
    for (const [type, most = '', size = ''] of table(page, 'type')) {
      const provider = byType.get(unquoted(type)[0] ?? '');
      const reaching = (count: number) =>
        provider?.unsupported(
          testMail({ to: Array.from({ length: count }, (_, at) => ({ name: '', address: `a${at}@example.com` })) }),
        );
      const largest = Number(most) || 5_000;
      expect(reaching(largest), `${type} to ${largest}`).toBeNull();
      if (most !== 'any') expect(reaching(largest + 1), `${type} to ${largest + 1}`).not.toBeNull();
      const megabytes = Number.parseInt(size, 10);
      const bytes = Number.isNaN(megabytes) ? [null] : [megabytes * 1_000_000, megabytes * 1_024 * 1_024];
      expect(bytes, `${type}: ${size}`).toContain(provider?.traits.maxBytes);
    }
  });

  test('outcomes and reasons in its tables are those of the contract', () => {
    const contract = read('providers/provider.ts');
    const outcomes = unionOf(contract, 'Outcome');
    const reasons = unionOf(contract, 'Reason');
    const rows = page.split('\n').filter((line) => /^\| .*\|.*\|.*\|$/.test(line) && line.split('|').length === 5);
    const told = rows.flatMap((line) => {
      const [, , outcome = '', reason = ''] = line.split('|').map((cell) => unquoted(cell)[0]);
      return outcomes.includes(outcome) ? [{ line, reason }] : [];
    });
    expect(told.length).toBeGreaterThan(30);
    for (const { line, reason } of told) {
      if (/\| `accepted` \| +\|$/.test(line)) continue;
      expect(reasons, line).toContain(reason);
    }
  });
});

/** The members of `type NAME = 'a' | 'b' …` in a source. */
function unionOf(source: string, name: string): string[] {
  const members = new RegExp(`^export type ${name} =([^;]*);`, 'm').exec(source)?.[1] ?? '';
  return [...members.matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');
}

describe('CONTRIBUTING.md', () => {
  test('names files that are there', () => {
    const paths = unquoted(read('CONTRIBUTING.md')).filter((text) =>
      /^(src|providers|config|test|docs)\/\S*$/.test(text),
    );
    expect(paths.length).toBeGreaterThan(20);
    const missing = paths.map((path) => path.replaceAll('NAME', 'mailgun').replace(/\/\*.*$/, '/'));
    expect(missing.filter((path) => !existsSync(join(root, path)))).toEqual([]);
    const folder = 'providers/mailgun';
    for (const name of [
      'settings',
      'answers',
      'message',
      'result',
      'index',
      'account',
      'events',
      'webhook',
      'look-up',
    ]) {
      expect(read('CONTRIBUTING.md')).toContain(`\`${name}.ts\``);
      expect(existsSync(join(root, folder, `${name}.ts`))).toBe(true);
    }
  });

  test('its provider from outside sends, fails over, says what it cannot carry, and believes only its own webhooks', async () => {
    const text = section('A provider outside of this repository', 'CONTRIBUTING.md');
    const file = join(freshFolder('docs'), 'acme-mail.mjs');
    writeFileSync(file, blocks(text, 'js')[0] ?? '');
    const api = await startHttpServer({ handler: () => ({ status: 202, body: '{"id":"acme-1"}' }) });
    const { config } = await settingsOf(blocks(text, 'yaml')[0] ?? '');
    expect(config.providers.acme).toMatchObject({ type: 'module', module: './acme-mail.mjs' });
    const options = { ...(config.providers.acme as { options: object }).options, url: `${api.url}/send` };
    const service = await startService({
      settings: {
        providers: {
          acme: { type: 'module', module: file, options, from_domains: ['acme.example'] },
          standby: { type: 'sandbox' },
        },
        streams: { default: { providers: ['acme', 'standby'] } },
      },
    });
    try {
      const labels = { tags: [{ name: 'plan', value: 'pro' }], metadata: { user: '42' } };
      const id = await service.send({ bcc: 'bob@example.com', ...labels });
      expect(await service.settled(id)).toMatchObject({ status: 'sent', provider: 'acme' });
      expect(api.requests[0]?.headers.authorization).toBe('Bearer made-up');
      const body = JSON.parse(api.requests[0]?.body.toString() ?? '');
      expect(body).toMatchObject({ ...labels, id, recipients: ['ada@example.com', 'bob@example.com'] });
      expect(body).not.toHaveProperty('bcc');

      const report = (recipient: string, key: string) => {
        const event = { id: `${recipient}-1`, type: 'delivered', at: Date.now(), mail: id, recipient };
        const signature = createHmac('sha256', key).update(JSON.stringify(event)).digest('hex');
        return service.call('POST', '/webhooks/acme', JSON.stringify(event), { 'x-acme-signature': signature });
      };
      expect(await report('ada@example.com', 'another key')).toMatchObject({ status: 401 });
      for (const recipient of ['ada@example.com', 'bob@example.com'])
        expect(await report(recipient, 'made-up')).toMatchObject({ status: 200 });
      expect(await service.settled(id, ['delivered'])).toMatchObject({ provider: 'acme' });

      for (const other of [
        { from: 'hello@other.example' },
        { attachments: [{ filename: 'a.txt', content: 'YQ==', content_type: 'text/plain' }] },
      ]) {
        const passedOver = await service.settled(await service.send(other), ['delivered']);
        expect(passedOver.attempts).toMatchObject([{ provider: 'standby', outcome: 'accepted' }]);
      }
      api.setFault({ act: 'refuse' });
      const moved = await service.settled(await service.send(), ['delivered']);
      expect(moved).toMatchObject({ provider: 'standby', possible_duplicate: false });
      expect(moved.attempts[0]).toMatchObject({ provider: 'acme', outcome: 'failed', reason: 'connection_failed' });
    } finally {
      await service.close();
      await api.close();
    }
  });
});

describe('commands and examples', () => {
  test('every command of mailover that is named exists, and each that exists is named', async () => {
    const help = execFileSync(process.execPath, [await compile('src/cli/main.ts'), '--help'], { encoding: 'utf8' });
    const known = [...help.slice(help.indexOf('Commands:')).matchAll(/^ {2}([\w-]+)/gm)].map((match) => match[1]);
    const told = [...everything.matchAll(/(?:npx |`)mailover ([a-z][\w-]*)/g)].map((match) => match[1]);
    expect([...new Set(told)].sort()).toEqual(known.filter((name) => name !== 'help').sort());
  });

  test('every npm script that is named exists', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [
      ...(everything + read('Dockerfile') + read('.ci/run')).matchAll(/npm (start|test)\b|npm run ([\w-]+)/g),
    ];
    expect(named.length).toBeGreaterThan(4);
    for (const [, short, long] of named) expect(Object.keys(scripts)).toContain(short ?? long);
  });

  test('every mail that is sent as an example is accepted', async () => {
    const { config } = await loadConfig({ env: {}, cwd: freshFolder() });
    const rules = {
      now: Date.now(),
      limits: config.limits,
      maxBytes: config.server.body_limit,
      streams: config.streams,
    };
    const sends = allCalls.filter(({ method, url: to }) => method === 'POST' && to.endsWith('/v1/emails'));
    expect(sends.length).toBeGreaterThan(2);
    for (const { body } of sends) expect(toDraft(JSON.parse(body ?? ''), rules)).toMatchObject({ ok: true });
  });

  test('every piece of settings that is shown is one', async () => {
    const shown = documents.flatMap((path) => blocks(read(path), 'yaml'));
    expect(shown.length).toBeGreaterThan(0);
    for (const piece of shown) {
      const { source, file } = await settingsOf(piece);
      expect(source).toBe(file);
    }
  });

  test.each(documents)('%s: what it links to exists', (path) => {
    for (const [, target = ''] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const at = file === '' ? path : relative(root, resolve(root, dirname(path), file));
      expect(existsSync(join(root, at)), `${path} links to ${target}`).toBe(true);
      if (anchor === undefined) continue;
      const headings = [...read(at).matchAll(/^#+ (.*)$/gm)].map((match) =>
        (match[1] ?? '')
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
      expect(headings, `${path} links to ${target}`).toContain(anchor);
    }
  });
});
