// status, incidents and show against a running service; and what is said when there is none, or it refuses.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { plain } from '../../src/cli/terminal.ts';
import { startHttpServer } from '../support/http-server.ts';
import { adminKey, type Service, startService } from '../support/service.ts';
import { until } from '../support/until.ts';
import { type RunOptions, run } from './run.ts';

let service: Service;
let env: Record<string, string>;
beforeAll(async () => {
  service = await startService();
  env = { MAILOVER_URL: `${service.url}/`, MAILOVER_KEY: adminKey };
});
afterAll(() => service.close());

const mailover = (words: string, options: RunOptions = {}) => run(words.split(' '), { env, ...options });

/** Suspends the primary, and gives the incident. */
async function trouble(): Promise<{ id: string; mail: string }> {
  await service.call('PUT', '/v1/providers/primary/sandbox', { mode: 'suspend' });
  const mail = await service.send();
  await service.settled(mail, ['delivered']);
  const open = await until(async () => (await service.call('GET', '/v1/incidents?state=open')).body.data[0]);
  return { id: open.id, mail };
}

test('status, incidents and show, before and after a provider is suspended', async () => {
  const well = await mailover('status');
  expect(well).toMatchObject({ status: 0, err: '' });
  expect(well.out).toMatch(/^PROVIDER +TYPE +STATE +SINCE/);
  expect(well.out).toMatch(/^primary +sandbox +up +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +0 +/m);
  expect(well.out).toContain('No incident is open.');
  expect((await mailover('incidents')).out).toBe('There is no incident.\n');

  const { id, mail } = await trouble();
  const bad = await mailover('status');
  expect(bad.out).toMatch(/^primary +sandbox +suspended .*the account is refused/m);
  expect(bad.out).toMatch(new RegExp(`^${id} +primary +suspended +open `, 'm'));
  expect((await mailover('incidents')).out).toContain(id);

  const incident = await mailover(`show ${id}`);
  expect(incident.out).toMatch(/^cause +suspended$/m);
  expect(incident.out).toMatch(/^\d{4}-\S+ \S+ +opened +primary is suspended: /m);
  const shown = await mailover(`show ${mail}`);
  expect(shown.out).toMatch(/^status +delivered$/m);
  expect(shown.out).toMatch(
    /primary +refused \(account_suspended\)[\s\S]*standby +accepted[\s\S]*standby +delivered ada@example.com/,
  );
});

test('--json gives what the API gives', async () => {
  const { providers, incidents } = JSON.parse((await mailover('status --json')).out);
  expect(providers.map(({ name }: { name: string }) => name)).toEqual(['primary', 'standby']);
  const { body } = await service.call('GET', '/v1/incidents');
  expect(incidents.map(({ id }: { id: string }) => id)).toEqual(body.data.map(({ id }: { id: string }) => id));
  const all = JSON.parse((await mailover('incidents --all --json')).out);
  expect(all).toHaveLength(1);
  expect(JSON.parse((await mailover(`show ${all[0].id} --json`)).out)).toMatchObject({ object: 'incident' });
  const mail = await service.send();
  expect(JSON.parse((await mailover(`show ${mail} --json`)).out)).toMatchObject({ object: 'email', id: mail });
});

test('--watch shows it again until it is stopped', async () => {
  const stop = new AbortController();
  let screens = 0;
  const written = (text: string) => {
    screens += text.split('PROVIDER').length - 1;
    if (screens === 2) stop.abort();
  };
  const watched = await mailover('status --watch', { signal: stop.signal, written });
  expect(watched.status).toBe(0);
  expect(screens).toBe(2);
});

test('colours only where they are wanted', async () => {
  expect((await mailover('status')).out).not.toContain('\x1b');
  expect((await mailover('status', { colour: true })).out).toContain('\x1b[32mup\x1b[0m');
});

describe('what is said when it does not work', () => {
  test.each([
    ['no key is set', { MAILOVER_KEY: '' }, 2, 'MAILOVER_KEY is not set'],
    ['the address is none', { MAILOVER_URL: 'localhost:3000' }, 2, 'MAILOVER_URL is localhost:3000'],
    ['the key is nobody’s', { MAILOVER_KEY: 'made-up-key-of-nobody' }, 1, 'does not know this key'],
  ])('%s', async (_case, wrong, status, words) => {
    const ran = await mailover('status', { env: { ...env, ...wrong } });
    expect(ran).toMatchObject({ status, out: '' });
    expect(ran.err).toContain(words);
    expect(ran.err).not.toContain('made-up-key');
  });

  test('nothing listens there', async () => {
    const server = await startHttpServer();
    await server.close();
    const ran = await mailover('status', { env: { ...env, MAILOVER_URL: server.url } });
    expect(ran).toMatchObject({ status: 1, out: '' });
    expect(ran.err).toMatch(/^No Mailover answers at http:\/\/127\.0\.0\.1:\d+ \(connection refused\)\. Start it/);
  });

  test('something else listens there', async () => {
    const other = async () => new Response('<h1>It works!</h1>', { headers: { 'content-type': 'text/html' } });
    const ran = await mailover('status', { fetch: other });
    expect(ran.status).toBe(1);
    expect(ran.err).toContain('is not Mailover');
  });

  test('there is no such mail, and no such id', async () => {
    expect(await mailover('show em_01M801FY2BV1EWH7FAETCQMT5C')).toMatchObject({ status: 1 });
    const ran = await mailover('show primary');
    expect(ran).toMatchObject({ status: 1 });
    expect(ran.err).toContain('is not an id');
    expect(await mailover('show')).toMatchObject({ status: 2 });
  });
});

test('what a provider says cannot steer the terminal', () => {
  expect(plain('quiet\x1b[2J\r\nNext \x07line')).toBe('quiet [2J Next  line');
});
