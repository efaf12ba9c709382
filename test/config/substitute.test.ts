// `${…}` in settings: what is replaced, what is left, and that no value can add structure.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are what is tested
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../config/load.ts';
import { substitute } from '../../config/substitute.ts';
import { faultOf, folder, least, load, madeUpKey, merged } from './support.ts';

const env = {
  NAME: 'value',
  EMPTY: '',
  NESTED: '${NAME}',
  _under_9: 'x',
  SECRET_FILE: '/run/secrets/x',
  NAME_FILE: '/run/secrets/x',
  GONE_FILE: '/not/there',
  NOWHERE_FILE: '',
};
const files: Record<string, string> = {
  '/run/secrets/x': 'from file\n',
  '/two': 'a\n\n',
  '/crlf': 'a\r\n',
  '/none': '',
};
const sources = { env, readFile: (path: string) => files[path] ?? null };

describe('text', () => {
  test.each([
    ['plain', 'plain'],
    ['${NAME}', 'value'],
    ['a ${NAME} b ${NAME}', 'a value b value'],
    ['${EMPTY}', ''],
    ['${_under_9}', 'x'],
    ['${NAME:-other}', 'value'],
    ['${MISSING:-other}', 'other'],
    ['${EMPTY:-other}', 'other'],
    ['${MISSING:-}', ''],
    ['${MISSING:-redis://h:6379/0?a=b :- c}', 'redis://h:6379/0?a=b :- c'],
    ['${MISSING:-two\nlines}', 'two\nlines'],
    ['${file:/run/secrets/x}', 'from file'],
    ['${SECRET}', 'from file'],
    ['${SECRET:-other}', 'from file'],
    ['${NOWHERE:-other}', 'other'],
    ['${file:/two}', 'a\n'],
    ['${file:/crlf}', 'a'],
    ['<${file:/none}>', '<>'],
    ['$${NAME}', '${NAME}'],
    ['$$${NAME}', '$${NAME}'],
    ['$NAME $ $$ {} }', '$NAME $ $$ {} }'],
    ['${NESTED}', '${NAME}'],
  ])('%j becomes %j', (written, expected) => {
    expect(substitute({ at: written }, sources)).toEqual({ data: { at: expected }, problems: [] });
  });

  test.each([
    ['${MISSING}', 'needs MISSING, which is not set'],
    ['a${MISSING}', 'needs MISSING, which is not set'],
    ['${file:/not/there}', 'cannot be read: /not/there'],
    ['${GONE}', 'GONE_FILE names a file that cannot be read: /not/there'],
    ['${GONE:-other}', 'GONE_FILE names a file that cannot be read: /not/there'],
    ['${NOWHERE}', 'needs NOWHERE, which is not set'],
    ['${file:}', 'cannot be read: give its path'],
    ['${}', 'no variable'],
    ['${NAME', 'no variable'],
    ['${9}', 'no variable'],
    ['${NA ME}', 'no variable'],
    ['${NAME-x}', 'no variable'],
  ])('%j is a fault and stays', (written, message) => {
    const { data, problems } = substitute({ list: ['', written] }, sources);
    expect(data).toEqual({ list: ['', written] });
    expect(problems).toEqual([{ path: ['list', 1], message: expect.stringContaining(message) }]);
  });

  test('two missing variables in one text are both named', () => {
    const { problems } = substitute('${ONE}${TWO}', sources);
    expect(problems.map(({ message }) => message.split(',')[0])).toEqual(['needs ONE', 'needs TWO']);
  });
});

test('in a file too', async () => {
  const fault = await faultOf(load(merged(least, { providers: { relay: { host: '${ONE}.${TWO}' } } })));
  expect(fault.faults.map(({ message }) => message.split(',')[0])).toEqual(['needs ONE', 'needs TWO']);
});

test('what is no text is left as it is', () => {
  const data = { a: 1, b: null, c: true, d: [{ e: [] }] };
  expect(substitute(data, sources)).toEqual({ data, problems: [] });
});

test('a name inherited by every object is no variable', () => {
  expect(substitute('${toString:-x}', { ...sources, env: Object.freeze({}) }).data).toBe('x');
  expect(substitute('${constructor}', { ...sources, env: {} }).problems).toHaveLength(1);
});

test('__proto__ is refused', () => {
  const { data, problems } = substitute(JSON.parse('{"a": {"__proto__": {"type": "sandbox"}}}'), sources);
  expect(problems).toEqual([{ path: ['a', '__proto__'], message: expect.stringContaining('leave it out') }]);
  expect(data).toEqual({ a: {} });
});

describe('in a settings file', () => {
  test('a value cannot add structure', async () => {
    const host = 'x\n    type: sandbox';
    const fault = await faultOf(load(merged(least, { providers: { relay: { host: '${H}' } } }), { H: host }));
    expect(fault.faults.map(({ path }) => path)).toEqual(['providers.relay.host']);
    const { config } = await load(merged(least, { providers: { relay: { user: '${U}', password: '${U}' } } }), {
      U: '"]}, server: {port: 1}',
    });
    expect(config.providers.relay).toMatchObject({ user: '"]}, server: {port: 1}' });
    expect(config.server.port).toBe(3000);
  });

  test('a number may come from a variable', async () => {
    const { config } = await load(
      merged(least, { providers: { relay: { port: '${P:-2525}' } }, health: { failure_share: '${S}' } }),
      { S: '0.25' },
    );
    expect(config.providers.relay).toMatchObject({ port: 2525 });
    expect(config.health.failure_share).toBe(0.25);
  });

  test('the type of a provider may, and its settings are known then', async () => {
    const relay = { type: '${T}', timeuot: '1s' };
    const fault = await faultOf(load(merged(least, { providers: { relay } }), { T: 'smtp' }));
    expect(fault.faults).toContainEqual({
      path: 'providers.relay.timeuot',
      value: '••••',
      message: 'is no setting: did you mean timeout?',
    });
  });

  test('a file is found from the working directory', async () => {
    const settings = merged(least, { providers: { relay: { user: 'u', password: '${file:secrets/relay}' } } });
    const cwd = folder({ 'etc/m.yaml': JSON.stringify(settings), 'secrets/relay': 'made-up-secret\n' });
    const { config } = await loadConfig({ file: 'etc/m.yaml', env: {}, cwd });
    expect(config.providers.relay).toMatchObject({ password: 'made-up-secret' });
  });

  test('a missing variable is the only fault of its place', async () => {
    const fault = await faultOf(load(merged(least, { providers: { relay: { port: '${PORT_OF_RELAY}' } } })));
    expect(fault.faults).toEqual([
      {
        path: 'providers.relay.port',
        value: '"${PORT_OF_RELAY}"',
        message: 'needs PORT_OF_RELAY, which is not set in the environment: set it, or write ${PORT_OF_RELAY:-default}',
      },
    ]);
  });
});

test('a variable that wins over the file may come from a file as well', async () => {
  const cwd = folder({
    url: 'redis://:made-up@redis.example.com:6379\n',
    'mailover.json': JSON.stringify(merged(least, { encryption: { keys: [madeUpKey] } })),
  });
  const { config } = await loadConfig({ file: 'mailover.json', env: { REDIS_URL_FILE: 'url' }, cwd });
  expect(config.redis.url).toBe('redis://:made-up@redis.example.com:6379');
  const fault = await faultOf(loadConfig({ file: 'mailover.json', env: { REDIS_URL_FILE: 'gone' }, cwd }));
  expect(fault.faults).toMatchObject([{ path: 'redis.url', message: expect.stringContaining('REDIS_URL_FILE') }]);
});
