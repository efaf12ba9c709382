// A drill on a real service: played to its end, interrupted, and refused.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DrillResult } from '../../src/cli/drill-report.ts';
import { keys } from '../../src/store/keys.ts';
import { spawnChild } from '../support/child.ts';
import { adminKey, relay, type Service, sandboxes, startService } from '../support/service.ts';
import { startSmtpServer } from '../support/smtp-server.ts';
import { run } from './run.ts';

let service: Service;
let env: Record<string, string>;
beforeAll(async () => {
  // It comes back quickly, so that one drill can follow another.
  const health = { rest: '1s', probe_interval: '100ms', ramp_dwell: '1s', switches_per_hour: 1_000 };
  service = await startService({
    settings: {
      health,
      streams: {
        ...sandboxes.streams,
        reversed: { providers: ['standby', 'primary'] },
        alone: { providers: ['primary'] },
      },
    },
  });
  env = { MAILOVER_URL: service.url, MAILOVER_KEY: adminKey };
});
afterAll(() => service.close());

const mailover = (words: string) => run(words.split(' '), { env });
const modeOf = async (provider: string) => {
  const stored = await (await service.redis.client()).hget(keys.sandboxBehaviour, provider);
  return JSON.parse(stored ?? '{}').mode as string;
};

test('a provider that gets no mail of the stream is refused, and nothing broken', { timeout: 60_000 }, async () => {
  const ran = await mailover('drill error --stream reversed --provider primary');
  expect(ran.status).toBe(1);
  expect(ran.err).toContain('primary gets no mail of the stream reversed: it goes to standby');
  expect(await modeOf('primary')).toBe('deliver');
});

test('a suspension, played to its end', { timeout: 200_000 }, async () => {
  const { status, out, err } = await mailover('drill suspend --for 3s --rate 30 --json');
  expect(err).toBe('');
  const lines = out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const told = lines.slice(0, -1).map(({ text }) => text as string);
  const first = (words: string) => told.findIndex((text) => text.startsWith(words));
  const order = [
    'sending 30 mails',
    'primary is known',
    'primary: suspend',
    'primary is suspended',
    'primary: deliver',
  ];
  expect(order.map(first)).not.toContain(-1);
  expect(order.map(first)).toEqual([...order.map(first)].sort((a, b) => a - b));
  expect(told.at(-1)).toBe('all mail has ended');

  const result = lines.at(-1) as DrillResult;
  expect(result).toMatchObject({ object: 'drill', scenario: 'suspend', provider: 'primary' });
  // Under a second is for a machine that has nothing else to do; here it may be told of as the only fault.
  expect(result.faults.filter((fault) => !fault.includes('until new mail avoided primary'))).toEqual([]);
  expect(result.to_leave).toBeLessThan(5);
  expect(result.met).toBe(result.faults.length === 0);
  expect(status).toBe(result.met ? 0 : 1);
  expect(result.incidents).toMatchObject([{ cause: 'suspended' }]);
  const { mail, delay } = result;
  expect(mail).toMatchObject({ lost: 0, refused: 0, by_status: { delivered: mail.sent } });
  expect(mail.during_failure).toBeGreaterThan(45);
  // One that is on its way while the mode changes may be on either side.
  expect(mail.during_failure - mail.moved).toBeLessThan(3);
  expect(mail.moved).toBeLessThanOrEqual(mail.during_failure);
  expect(delay.before.p50).toBeGreaterThan(0.04);
  expect(delay.during.p99).toBeLessThan(3);
  expect(await modeOf('primary')).toBe('deliver');

  // Another one right after: it waits until the provider is back. And is interrupted.
  const child = await spawnChild('src/cli/main.ts', { args: ['drill', 'blackhole', '--rate', '30'], env });
  await child.waitFor('primary: blackhole', { within: 120_000 });
  expect(await modeOf('primary')).toBe('blackhole');
  child.kill('SIGINT');
  expect(await child.exit).toEqual({ code: 1, signal: null });
  expect(await modeOf('primary')).toBe('deliver');
  expect(child.stdout.at(-1)).toContain('primary: deliver');
  expect(child.stderr).toEqual(['Interrupted. primary delivers again.']);
});

describe('what is not begun', () => {
  test.each([
    ['drill flood', 2, "'flood' is invalid"],
    ['drill', 2, 'missing required argument'],
    ['drill suspend --rate 0', 2, 'It is a number above 0'],
    ['drill suspend --for soon', 2, 'It is a duration'],
    ['drill suspend --stream nowhere', 1, 'There is no stream nowhere. There are: default, reversed, alone.'],
    ['drill suspend --provider ses', 1, 'has no provider ses. It has: primary (sandbox), standby (sandbox).'],
    ['drill suspend --stream alone', 1, 'has no provider but primary'],
    ['drill suspend --from nobody', 1, 'from'],
  ])('%s', async (words, status, said) => {
    const ran = await mailover(words);
    expect(ran.err).toContain(said);
    expect(ran.status).toBe(status);
    expect(ran.out).not.toContain('primary: suspend');
  });

  test('where a provider of the stream is not a sandbox: no mail is sent, and nothing broken', async () => {
    const smtp = await startSmtpServer();
    const real = await startService({
      settings: {
        providers: { ...sandboxes.providers, relay: relay(smtp) },
        streams: { default: { providers: ['primary', 'relay'] } },
      },
    });
    try {
      for (const provider of ['primary', 'relay']) {
        const words = ['drill', 'suspend', '--for', '1s', '--provider', provider];
        const ran = await run(words, { env: { ...env, MAILOVER_URL: real.url } });
        expect(ran.status).toBe(1);
        expect(ran.err).toContain('Not every provider');
        expect(ran.err).toContain('relay (smtp)');
      }
      expect((await real.call('GET', '/v1/emails')).body.data).toEqual([]);
      expect(await (await real.redis.client()).exists(keys.sandboxBehaviour)).toBe(0);
    } finally {
      await real.close();
      await smtp.close();
    }
  });

  test('with no service to begin it on', async () => {
    const ran = await run(['drill', 'error'], { env: { ...env, MAILOVER_URL: 'http://127.0.0.1:1' } });
    expect(ran.status).toBe(1);
    expect(ran.err).toContain('No Mailover answers');
  });
});

test('list shows what there is', async () => {
  const { out, status } = await run(['drill', 'list']);
  expect(status).toBe(0);
  expect(out).toMatch(/^blackhole +the provider accepts all mail/m);
  expect(JSON.parse((await run(['drill', 'list', '--json'])).out)[0]).toMatchObject({ name: 'blackhole' });
});
