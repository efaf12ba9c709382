// The promise: every 202 is accounted for, whoever dies, freezes, is cut off or loses an answer. Api, workers, monitors and Redis are
// processes of their own; the providers' ledger on disk is the truth.
//
// CI plays one short run. `npm run test:crash` plays 50 seeds of 30 kills and 5,000 mails; MAILOVER_CRASH_SEED, and the number of
// seeds, kills and mails in MAILOVER_CRASH (`50x30x5000`), play others. A run that fails names its seed, and what happened when; with
// MAILOVER_CRASH_DIARY every run does.
import { expect, test } from 'vitest';
import { playRun } from './run.ts';

const [seeds = 1, kills = 6, mails = 300] = (process.env.MAILOVER_CRASH ?? '1x6x300').split('x').map(Number);
const firstSeed = Number(process.env.MAILOVER_CRASH_SEED ?? 20_221);

for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
  test(`seed ${seed}: ${kills} kills, ${mails} mails`, { timeout: 900_000 }, async () => {
    const began = Date.now();
    const { diary, faults, ...figures } = await playRun({ seed, kills, mails });
    process.stdout.write(
      `crash ${JSON.stringify({ seed, kills, misfortunes: diary.length, ...figures, seconds: Math.round((Date.now() - began) / 1_000) })}\n`,
    );
    if (process.env.MAILOVER_CRASH_DIARY) process.stdout.write(`${diary.join('\n')}\n`);
    const story = `MAILOVER_CRASH=1x${kills}x${mails} MAILOVER_CRASH_SEED=${seed}\n${diary.join('\n')}`;
    expect(faults.slice(0, 30), `${faults.length} faults; play it again with ${story}`).toEqual([]);
    expect(figures.lost).toBe(0);
    expect(figures.extraCopies).toBeLessThanOrEqual(figures.unknown + figures.rescued);
    expect(figures.accepted).toBeGreaterThan(mails / 2);
  });
}
