// Intake: mails a second that are taken in durably, beside a bare route that adds one job to a queue.
import { afterAll, expect, test } from 'vitest';
import { beside, note, sized } from './figures.ts';
import { rate } from './load.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire } from './wire.ts';

const rounds = sized(7, 1);
const count = sized(4_000, 100);
const parallel = 32;

let setting: Setting;
afterAll(() => setting?.close());

test('intake', async () => {
  setting = await openSetting({
    providers: { only: { type: 'sandbox' } },
    streams: { default: { providers: ['only'] } },
  });
  const ours = await setting.serve('api');
  const bare = await setting.bare('test/bench/bare-intake.ts');
  const [toUs, toBare] = await Promise.all([
    openWire(ours.url, parallel, authorized),
    openWire(bare.url, parallel, authorized),
  ]);
  const client = await setting.redis.client();
  const rates: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
  for (let round = 0; round <= rounds; round++) {
    for (const [name, wire] of [['ours', toUs] as const, ['bare', toBare] as const]) {
      const perSecond = await rate(count, parallel, async (index) => {
        const { status } = await wire.call('POST', '/v1/emails', mail(index));
        expect(status).toBe(202);
      });
      // The first round warms both up.
      if (round > 0) rates[name].push(perSecond);
    }
    await client.flushall();
  }
  note(beside('intake', '/s', rates.ours, rates.bare));
  toUs.close();
  toBare.close();
});
