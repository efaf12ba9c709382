// The commands of operators against a running service: what they say, what they ask, what they leave in the audit, and with what status they end.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, type Service, startService, testKey } from '../support/service.ts';
import { until } from '../support/until.ts';
import { type RunOptions, run } from './run.ts';

let service: Service;
let env: Record<string, string>;
beforeAll(async () => {
  service = await startService();
  env = { MAILOVER_URL: service.url, MAILOVER_KEY: adminKey };
});
afterAll(() => service.close());

/** Words are split at spaces; `~` stands for one inside a word. */
const mailover = (words: string, options: RunOptions = {}) =>
  run(
    words.split(' ').map((word) => word.replaceAll('~', ' ')),
    { env, ...options },
  );
const answering = (answer: boolean) => {
  const asked: string[] = [];
  const ask = async (question: string) => {
    asked.push(question);
    return answer;
  };
  return { asked, ask };
};
const states = async () =>
  Object.fromEntries(
    (await service.call('GET', '/v1/providers')).body.data.map((one: { name: string; state: string }) => [
      one.name,
      one.state,
    ]),
  );
const newest = async () => (await service.call('GET', '/v1/audit?limit=1')).body.data[0];

test('failover and failback', async () => {
  const done = await mailover('failover --to standby --stream default --for 2h --reason it~looks~odd');
  expect(done).toMatchObject({ status: 0, err: '' });
  expect(done.out).toMatch(/^default +standby +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +admin key .* +it looks odd$/m);
  expect((await mailover('status')).out).toMatch(/^PINNED +TO[\s\S]*^default +standby/m);
  expect(JSON.parse((await mailover('status --json')).out).pins).toMatchObject([{ stream: 'default', to: 'standby' }]);
  expect(JSON.parse((await mailover('failback --reason mended --json')).out)).toEqual([]);
  expect(await newest()).toMatchObject({ what: 'failover.unpin', why: 'mended' });
  expect((await mailover('failback')).out).toBe('Nothing is pinned: mail is routed by itself.\n');
});

test('wrong usage is 2, a refusal 1', async () => {
  expect(await mailover('failover --to standby')).toMatchObject({ status: 2 });
  expect(await mailover('failover --to standby --reason x --for soon')).toMatchObject({ status: 2 });
  expect(await mailover('quarantine primary --reason x --since 2026-11-21T22:00')).toMatchObject({ status: 2 });
  expect(await mailover('failover --to standby --reason x --config other.yaml')).toMatchObject({ status: 2 });
  const nobody = await mailover('failover --to nobody --reason x');
  expect(nobody).toMatchObject({ status: 1, out: '' });
  expect(nobody.err).toContain('to is no provider; there are primary, standby');
  for (const command of ['failover', 'failback', 'quarantine', 'release']) {
    const help = await mailover(`${command} --help`);
    expect(help).toMatchObject({ status: 0 });
    expect(help.out).toMatch(/Examples?:\n {2}mailover /);
    expect(help.out).toContain('--break-glass');
  }
});

test('quarantine asks first where somebody can answer, and release ends it', async () => {
  const no = answering(false);
  expect(await mailover('quarantine primary --reason intruders', no)).toMatchObject({
    status: 1,
    out: '',
    err: 'Nothing was changed.\n',
  });
  expect(no.asked).toEqual(['Take primary out? No mail goes there until somebody releases it.']);
  expect(await states()).toMatchObject({ primary: 'up' });

  const done = await mailover('quarantine primary --reason intruders --since 2026-01-02T03:04Z', answering(true));
  expect(done.status).toBe(0);
  expect(done.out).toContain('primary is quarantined, and not believed since 2026-01-02 03:04:00 UTC.');
  expect(done.out).toMatch(/mailover rescue inc_\w+ --dry-run/);
  expect(await states()).toMatchObject({ primary: 'quarantined' });

  const alone = await mailover('quarantine standby --reason both --yes');
  expect(alone.status).toBe(1);
  expect(alone.err).toContain('without standby no provider would carry the mail of default (primary is quarantined)');
  expect(await mailover('release primary --reason new~keys')).toMatchObject({ status: 0 });
  expect(await states()).toMatchObject({ primary: 'probing' });
});

test('failover --force asks, too, unless --yes', async () => {
  await until(async () => (await states()).primary !== 'quarantined');
  const no = answering(false);
  expect(await mailover('failover --to primary --reason x --force', no)).toMatchObject({ status: 1 });
  expect(no.asked).toHaveLength(1);
  const never = answering(false);
  expect(await mailover('failover --to primary --reason x --force --yes', never)).toMatchObject({ status: 0 });
  expect(never.asked).toEqual([]);
  await mailover('failback');
});

test('keys: made and shown once, listed, revoked', async () => {
  const made = await mailover('keys create --name billing --scope send read --stream default');
  expect(made.status).toBe(0);
  const key = /mo_\w+/.exec(made.out)![0];
  expect((await mailover('incidents', { env: { ...env, MAILOVER_KEY: key } })).status).toBe(0);
  const listed = await mailover('keys list');
  expect(listed.out).toMatch(/^key_\w+ +billing +send, read +default +all /m);
  expect(listed.out).not.toContain(key);
  const id = /key_\w+/.exec(made.out)![0];
  expect(await mailover(`keys revoke ${id}`)).toMatchObject({ status: 0, out: `${id} is revoked.\n` });
  expect(await mailover(`keys revoke ${id}`)).toMatchObject({ status: 1 });
  expect(await mailover('keys create --name x --scope everything')).toMatchObject({ status: 2 });
});

test('audit: who did what, and whether that is as it was written', async () => {
  const listed = await mailover('audit --what provider.quarantine');
  expect(listed.out).toMatch(
    /^\d+ +\d{4}\S+ \S+ +admin key from the environment \(env\) +127\.0\.0\.1 +provider\.quarantine +primary +intruders$/m,
  );
  expect(JSON.parse((await mailover('audit --json --limit 3')).out)).toHaveLength(3);
  const good = await mailover('audit --verify');
  expect(good).toMatchObject({ status: 0 });
  expect(good.out).toMatch(/^The audit is as it was written: \d+ entries/);
  const client = await service.redis.client();
  await client.hset('{mailover}:audit-head', 'link', 'made-up');
  const bad = await mailover('audit --verify');
  expect(bad).toMatchObject({ status: 1 });
  expect(bad.out).toMatch(/^The audit is not as it was written at number \d+: the head/);
});

test('send, and wait for it', async () => {
  const words = 'send --from hello@acme.example --to ada@example.com grace@example.com --subject Hello~you --text Hi';
  expect((await mailover(words)).out).toMatch(/^em_\w+ queued\n$/);
  const waited = await mailover(`${words} --wait`);
  expect(waited).toMatchObject({ status: 0 });
  expect(waited.out).toMatch(/^status +delivered$/m);
  expect(await mailover('send --from nobody --to ada@example.com --subject x --text x')).toMatchObject({ status: 1 });
});

test('acknowledge and rescue: counted first, asked, then done', async () => {
  await service.call('PUT', '/v1/providers/standby/sandbox', { mode: 'blackhole' });
  await mailover('failover --to standby --reason x --force --yes');
  const id = await service.send();
  await service.settled(id, ['sent']);
  await mailover('failback');
  const out = JSON.parse((await mailover('quarantine standby --reason x --json --yes --force')).out);
  expect((await mailover(`acknowledge ${out.incident}`)).out).toMatch(/^acknowledged +\d{4}-/m);
  const dry = await mailover(`rescue ${out.incident} --dry-run`);
  expect(dry).toMatchObject({ status: 0 });
  expect(dry.out).toContain('standby took 1 messages and never confirmed them (default 1).');
  expect(await mailover(`rescue ${out.incident}`, answering(false))).toMatchObject({ status: 1 });
  expect(await service.settled(id, ['sent'])).toMatchObject({ provider: 'standby' });
  const done = await mailover(`rescue ${out.incident}`, answering(true));
  expect(done.out).toContain('1 sent again, 0 expired, 0 held, 0 left where they were (done).');
  expect(done.status).toBe(0);
  expect(await service.settled(id, ['delivered'])).toMatchObject({ provider: 'primary', possible_duplicate: true });
  await mailover('release standby --reason x');
});

describe('break-glass', () => {
  const settings = (redis: object) => {
    const folder = freshFolder('glass');
    const file = join(folder, 'settings.json');
    writeFileSync(
      file,
      JSON.stringify({
        providers: { primary: { type: 'sandbox' }, standby: { type: 'sandbox' } },
        streams: { default: { providers: ['primary', 'standby'] } },
        encryption: { keys: [testKey] },
        redis,
      }),
    );
    return { folder, file };
  };
  // Nothing of the service but its store.
  const down = { env: { PATH: process.env.PATH ?? '' } };

  test('works on the store of a service whose API is down, in the same audit', async () => {
    const client = await service.redis.client();
    await client.del('{mailover}:audit', '{mailover}:audit-head');
    const { file } = settings({ url: service.redis.url });
    const pinned = await mailover(
      `failover --to standby --reason the~API~is~down --force --break-glass --config ${file}`,
      down,
    );
    expect(pinned).toMatchObject({ status: 0, err: '' });
    await until(
      async () => (await service.settled(await service.send(), ['sent', 'delivered'])).provider === 'standby',
    );
    expect(await newest()).toMatchObject({
      what: 'failover.pin',
      who: 'break-glass',
      who_name: 'ops',
      from: 'mail1',
      why: 'the API is down',
    });
    expect((await mailover(`failback --break-glass --config ${file}`, down)).status).toBe(0);
    const out = await mailover(`quarantine primary --reason x --break-glass --force --json --config ${file}`, down);
    expect(out.status).toBe(0);
    expect(await states()).toMatchObject({ primary: 'quarantined' });
    expect(
      await mailover(`failover --to primary --reason x --force --break-glass --config ${file}`, down),
    ).toMatchObject({
      status: 1,
      err: expect.stringContaining('primary is quarantined'),
    });
    expect((await mailover(`release primary --reason x --break-glass --config ${file}`, down)).status).toBe(0);
    expect((await mailover('audit --verify')).out).toContain('is as it was written: 4 entries');
  });

  test('with the embedded Redis: starts it where nothing runs, and stops it again', { timeout: 60_000 }, async () => {
    const data = join(freshFolder('glass'), 'data');
    const { file } = settings({ data_dir: data });
    const never = await mailover(`quarantine primary --reason x --break-glass --config ${file}`, down);
    expect(never).toMatchObject({ status: 1, err: expect.stringContaining('No Mailover has ever run on') });
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'redis.conf'), '');
    expect((await mailover(`quarantine primary --reason x --break-glass --config ${file}`, down)).status).toBe(0);
    // A second one finds what the first has written: it was on disk when the first ended.
    const again = await mailover(`failover --to primary --reason x --force --break-glass --config ${file}`, down);
    expect(again).toMatchObject({ status: 1, err: expect.stringContaining('primary is quarantined') });
  });

  test('says so when Redis is away', { timeout: 20_000 }, async () => {
    const { file } = settings({ url: 'redis://127.0.0.1:1' });
    const ran = await mailover(`failback --break-glass --config ${file}`, down);
    expect(ran).toMatchObject({ status: 1, out: '' });
    expect(ran.err).toMatch(
      /Redis was not ready within 5000 ms.*ECONNREFUSED.*Is it running, and is redis\.url right\?/,
    );
  });
});
