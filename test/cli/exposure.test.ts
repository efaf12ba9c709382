// mailover exposure against a running service: sums on the screen, every message in a file, and nothing half.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startHttpServer } from '../support/http-server.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, type Service, startService } from '../support/service.ts';
import { type RunOptions, run } from './run.ts';

let service: Service;
let env: Record<string, string>;
let began: string;
beforeAll(async () => {
  service = await startService({
    settings: {
      streams: {
        default: { providers: ['primary', 'standby'] },
        passwords: { providers: ['primary'], sensitive: true },
      },
    },
  });
  env = { MAILOVER_URL: service.url, MAILOVER_KEY: adminKey };
  began = new Date().toISOString();
  const ids = [];
  for (let n = 0; n < 30; n++)
    ids.push(await service.send({ subject: `Number ${n}`, ...(n % 3 === 0 && { stream: 'passwords' }) }));
  await service.allSettled(ids, ['delivered']);
});
afterAll(() => service.close());

const mailover = (words: string[], options: RunOptions = {}) => run(['exposure', ...words], { env, ...options });
const api = async (query = '') =>
  (await service.call('GET', `/v1/providers/primary/exposure?since=${began}${query}`)).body;

describe('on the screen', () => {
  test('the sums, with the secrets first', async () => {
    const { status, out, err } = await mailover(['primary', '--since', '1h']);
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toMatch(
      /^primary was handed 30 messages, 10 with secrets, from \d{4}-\S+ \S+ to \d{4}-\S+ \S+ \(UTC\)\.\n/,
    );
    // Nothing was kept before the first hand-over, and an hour ago is before that.
    expect(out).toMatch(/^Not complete: what was handed over before \d{4}-\S+ \S+ is not, or no longer, known\.$/m);
    expect(out).toMatch(/^STREAM +SENSITIVE +MESSAGES +HAND-OVERS\npasswords +yes +10 +10\ndefault +no +20 +20\n/m);
    expect(out).toMatch(/^outcomes +30 accepted$/m);
    expect(out).toMatch(/^status now +30 delivered$/m);
    expect(out).not.toContain('ada@');
  });

  test('what is complete says nothing of gaps', async () => {
    const { complete_from } = await api();
    const { out } = await mailover(['primary', '--since', complete_from, '--sensitive']);
    expect(out).toMatch(/^primary was handed \d+ messages, \d+ with secrets/);
    expect(out).not.toContain('Not complete');
    expect(out).not.toContain('default');
  });

  test('as JSON, for programs', async () => {
    const { out } = await mailover(['primary', '--since', began, '--json']);
    const { data, until, ...rest } = await api();
    expect(data.length).toBe(30);
    expect(JSON.parse(out)).toMatchObject({ ...rest, until: expect.any(String) });
  });

  test('every message, in the form that was asked for', async () => {
    const until = new Date().toISOString();
    for (const [format, more] of [
      ['csv', ['--subjects']],
      ['json', []],
      ['ndjson', []],
    ] as const) {
      const { status, out } = await mailover([
        'primary',
        '--since',
        began,
        '--until',
        until,
        '--format',
        format,
        ...more,
      ]);
      expect(status).toBe(0);
      const same = await service.call(
        'GET',
        `/v1/providers/primary/exposure?since=${began}&until=${until}&format=${format}&subjects=${more.length > 0}`,
      );
      expect(format === 'json' ? JSON.parse(out) : out).toEqual(same.body);
    }
  });
});

describe('in a file', () => {
  test('which nobody else can read, and which has its name only when it is whole', async () => {
    const folder = freshFolder('exposure');
    const file = join(folder, 'seen.csv');
    const { status, out } = await mailover(['primary', '--since', began, '--out', file]);
    expect(status).toBe(0);
    expect(out).toContain(`Written to ${file}, which only you can read.`);
    expect(readFileSync(file, 'utf8').trimEnd().split('\r\n').length).toBe(31);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['seen.csv']);
  });

  test('a report that breaks off leaves none, and says so', async () => {
    const whole = (await api('&format=ndjson')) as string;
    const lines = whole.trimEnd().split('\n');
    const server = await startHttpServer({
      handler: () => ({
        status: 200,
        headers: { 'content-type': 'application/x-ndjson' },
        body: `${lines.slice(0, 12).join('\n')}\n`,
      }),
    });
    const folder = freshFolder('exposure');
    const options = { env: { ...env, MAILOVER_URL: server.url } };
    const short = await mailover(['primary', '--since', began, '--out', join(folder, 'seen.csv')], options);
    expect(short).toMatchObject({ status: 1, out: '' });
    expect(short.err).toContain('The report broke off after 11 messages');
    server.setFault({ answer: 'cut' });
    const cut = await mailover(['primary', '--since', began, '--out', join(folder, 'seen.csv')], options);
    expect(cut).toMatchObject({ status: 1, out: '' });
    expect(cut.err).toMatch(/broke off/);
    expect(readdirSync(folder)).toEqual([]);
    await server.close();
  });

  test('an old one stays until the new one is whole; what cannot be written is said', async () => {
    const folder = freshFolder('exposure');
    const file = join(folder, 'seen.json');
    writeFileSync(file, 'old');
    const refused = await mailover(['nobody', '--since', began, '--format', 'json', '--out', file]);
    expect(refused).toMatchObject({ status: 1 });
    expect(refused.err).toContain('There is no provider of this name');
    expect(readFileSync(file, 'utf8')).toBe('old');
    expect((await mailover(['primary', '--since', began, '--format', 'json', '--out', file])).status).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8')).data.length).toBe(30);
    const nowhere = join(folder, 'nowhere', 'seen.csv');
    const lost = await mailover(['primary', '--since', began, '--out', nowhere]);
    expect(lost).toMatchObject({ status: 1 });
    expect(lost.err).toMatch(/cannot be written: ENOENT/);
    expect(existsSync(nowhere)).toBe(false);
  });

  test('Ctrl-C keeps nothing', async () => {
    const folder = freshFolder('exposure');
    const file = join(folder, 'seen.csv');
    const stopped = await mailover(['primary', '--since', began, '--out', file], { signal: AbortSignal.abort() });
    expect(stopped).toMatchObject({ status: 1 });
    expect(readdirSync(folder)).toEqual([]);
  });
});

test('times are a time with its zone, a day, or how long ago; anything else is wrong usage', async () => {
  for (const since of [
    '90m',
    '3d',
    '2026-01-01',
    '2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00+02:00',
    '2026-01-01T00:00Z',
  ])
    expect((await mailover(['primary', '--since', since])).status, since).toBe(0);
  for (const since of ['yesterday', '2026-01-01T00:00:00', '2026-13-01', '1.5h', ''])
    expect(await mailover(['primary', '--since', since]), since).toMatchObject({ status: 2, out: '' });
  expect((await mailover(['primary'])).status).toBe(2);
  expect((await mailover(['primary', '--since', '1h', '--format', 'xml'])).status).toBe(2);
});
