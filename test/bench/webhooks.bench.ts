// Webhook intake: events a second that are verified, joined to their messages and stored, beside a bare route that verifies and writes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { spawnChild } from '../support/child.ts';
import { ownProviders, webhookSecret } from '../support/own-provider.ts';
import { startRedis } from '../support/redis.ts';
import { freshFolder } from '../support/run-folder.ts';
import { adminKey, testKey } from '../support/service.ts';
import { until } from '../support/until.ts';
import { beside, note, sized } from './figures.ts';
import { rate } from './load.ts';

const rounds = sized(5, 1);
const count = sized(2_000, 100);
const parallel = 32;

test('webhook intake', async () => {
  const redis = await startRedis();
  const file = join(freshFolder('bench'), 'mailover.json');
  writeFileSync(file, JSON.stringify({ ...ownProviders, redis: { url: redis.url }, encryption: { keys: [testKey] } }));
  const service = await spawnChild('src/cli/main.ts', {
    args: ['serve', '--config', file],
    env: { MAILOVER_ADMIN_KEY: adminKey, PORT: '0', LOG_LEVEL: 'silent' },
  });
  const url = /http:\S+/.exec(await service.waitFor('Mailover is ready'))![0];
  const bare = await spawnChild('test/bench/bare-webhook.ts', {
    env: { SOCKET: redis.socketPath, SECRET: webhookSecret },
  });
  const bareUrl = /http:\S+/.exec(await bare.waitFor('ready'))![0];

  const auth = { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' };
  const ids: string[] = [];
  for (let done = 0; done < count; done += 100) {
    const mails = Array.from({ length: 100 }, (_, n) => ({
      from: 'a@acme.example',
      to: `p${done + n}@example.com`,
      subject: 'Bench',
      text: 'x',
    }));
    const answer = await fetch(`${url}/v1/emails/batch`, {
      method: 'POST',
      headers: auth,
      body: JSON.stringify(mails),
    });
    ids.push(...((await answer.json()) as { data: { id: string }[] }).data.map(({ id }) => id));
  }
  await until(
    async () =>
      ((await (await fetch(`${url}/v1/providers/first`, { headers: auth })).json()) as { window: { accepted: number } })
        .window.accepted >= 0,
  );
  await until(
    async () =>
      ((await (await fetch(`${url}/v1/emails?status=queued&limit=1`, { headers: auth })).json()) as { data: unknown[] })
        .data.length === 0,
    { within: 60_000 },
  );

  const post = async (to: string, index: number, round: number) => {
    const body = JSON.stringify({
      events: [
        {
          id: `e${round}-${index}`,
          type: 'opened',
          at: 1_700_000_000_000 + index,
          messageId: ids[index],
          providerMessageId: null,
          recipient: null,
          permanent: false,
          detail: '',
        },
      ],
    });
    const answer = await fetch(`${to}/webhooks/first`, {
      method: 'POST',
      headers: { 'x-secret': webhookSecret, 'content-type': 'application/json' },
      body,
    });
    await answer.arrayBuffer();
    expect(answer.status).toBe(200);
  };
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const one = await rate(count, parallel, (index) => post(url, index, round));
    const two = await rate(count, parallel, (index) => post(bareUrl, index, round));
    // The first round warms both up.
    if (round === 0) continue;
    ours.push(one);
    theirs.push(two);
  }
  note(beside('webhooks, one event a request', '/s', ours, theirs));
  service.kill('SIGTERM');
  bare.kill('SIGKILL');
  await Promise.all([service.exit, bare.exit]);
  await redis.stop();
});
