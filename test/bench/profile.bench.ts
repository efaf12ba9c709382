// Where the processor's time goes, at intake and at hand-over. `npm run bench:profile`; not a part of `npm run bench`.
import { afterEach, expect, test } from 'vitest';
import { freshFolder } from '../support/run-folder.ts';
import { until } from '../support/until.ts';
import { type FarSide, openHttp, openRelay, toHttp, toRelay } from './far-side.ts';
import { sized } from './figures.ts';
import { rate } from './load.ts';
import { readProfile, type Share } from './profile-reader.ts';
import { authorized, mail, openSetting, type Setting } from './setting.ts';
import { openWire } from './wire.ts';

const count = sized(20_000, 300);

let far: FarSide | null = null;
let setting: Setting | null = null;
afterEach(async () => {
  await setting?.close();
  far?.close();
});

const flags = (folder: string) => ['--cpu-prof', `--cpu-prof-dir=${folder}`];
const lines = (shares: readonly Share[]) =>
  shares.slice(0, 25).map(({ name, share }) => `${(share * 100).toFixed(1).padStart(6)} %  ${name}\n`);

function show(what: string, folder: string): void {
  const { busy, packages, functions } = readProfile(folder);
  expect(packages[0]!.share).toBeGreaterThan(0);
  process.stdout.write(
    `\n${what}: ${((busy * 1_000_000) / count).toFixed(0)} µs of processor a mail, the start included\n` +
      `  by package, with what it calls in Node\n${lines(packages).join('')}  by function, its own time\n${lines(functions).join('')}`,
  );
}

test.runIf(process.env.MAILOVER_BENCH_PROFILE === '1').each(['http', 'smtp'] as const)(
  'profile of intake, and of hand-over by %s',
  async (how) => {
    let arrived = 0;
    const onMail = () => {
      arrived += 1;
    };
    far = await (how === 'http' ? openHttp(onMail) : openRelay(onMail));
    const own = await openSetting(how === 'http' ? toHttp(far.port) : toRelay(far.port, 32));
    setting = own;
    const [atIntake, atHandOver] = [freshFolder('profile'), freshFolder('profile')];
    const api = await own.serve('api', flags(atIntake));
    const wire = await openWire(api.url, 32, authorized);
    await rate(count, 32, async (index) => {
      expect((await wire.call('POST', '/v1/emails', mail(index))).status).toBe(202);
    });
    wire.close();
    api.kill('SIGTERM');
    await api.exit;
    const worker = await own.serve('worker', flags(atHandOver));
    await until(() => arrived >= count, { within: 300_000, what: 'all mails to arrive', every: 20 });
    worker.kill('SIGTERM');
    await worker.exit;
    if (how === 'http') show('intake (api)', atIntake);
    show(`hand-over by ${how} (worker)`, atHandOver);
  },
);
