// A monitor that dies at any step of a rescue, before or after the store has done it: the next one goes on, and nothing is done twice.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RescueParts } from '../../src/rescue/parts.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { incident, openStage, runUntil, type Stage } from './stage.ts';

const databases = 500;
let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis({ settings: { databases: String(databases) } });
});
afterAll(() => redis.stop());

/** The parts of a monitor that dies at its `step`th word to the store: before that is done, or after. */
function mortal(parts: RescueParts, step: number, when: 'before' | 'after') {
  const life = { steps: 0, dead: false };
  const dies = <T extends object>(part: T, words: readonly (keyof T)[]): T => {
    const mortals = words.map((word) => {
      const act = part[word] as (...args: unknown[]) => Promise<unknown>;
      const once = async (...args: unknown[]) => {
        if (life.dead) throw new Error('it is dead');
        life.steps += 1;
        const last = life.steps === step;
        if (last && when === 'before') life.dead = true;
        if (life.dead) throw new Error('it dies');
        const result = await act(...args);
        if (last) life.dead = true;
        if (life.dead) throw new Error('it dies');
        return result;
      };
      return [word, once];
    });
    return { ...part, ...Object.fromEntries(mortals) };
  };
  return {
    life,
    parts: {
      ...parts,
      messages: dies(parts.messages, ['save']),
      jobs: dies(parts.jobs, ['add']),
      rescues: dies(parts.rescues, [
        'begin',
        'advance',
        'nextPass',
        'rest',
        'approve',
        'claim',
        'unclaim',
        'settle',
        'later',
      ]),
    } satisfies RescueParts,
  };
}

interface Played {
  /** The mortal one has lived to the end. */
  readonly survived: boolean;
}

/** Seven messages of every kind, one monitor that dies and one that goes on. */
async function play(stage: Stage, step: number, when: 'before' | 'after'): Promise<Played> {
  const auto = [await stage.swallow(), await stage.swallow({ lane: 'critical' }), await stage.swallow()];
  const ask = [await stage.swallow({ stream: 'ask' }), await stage.swallow({ stream: 'ask', lane: 'bulk' })];
  const off = await stage.swallow({ stream: 'off' });
  const short = await stage.swallow({ expiresInMs: 100 });
  stage.forward(1_000);
  const what = `death ${when} step ${step}`;
  const { life, parts } = mortal(stage.parts, step, when);
  const first = stage.rescue(parts);
  const side = stage.far();
  const to = await stage.rescues.now();
  const live = async (rescue: typeof first, dead: () => boolean) => {
    if (!dead()) await rescue.begin(incident, 'first', 0, to);
    for (const states of [['awaiting_approval', 'done'], ['done']]) {
      await until(
        async () => {
          if (dead()) return true;
          await rescue.chore.run();
          return states.includes((await rescue.stateOf(incident))?.state ?? '');
        },
        { what: `${what}: the rescue to be ${states}` },
      );
      if (!dead()) await rescue.approve(incident);
    }
  };
  await live(first, () => life.dead).catch((error: unknown) => {
    if (!life.dead) throw error;
  });
  // What the dead one had claimed and not taken is let go after a while.
  stage.forward(6_000);
  const second = stage.rescue();
  await live(second, () => false);
  const counts = (await second.stateOf(incident))?.counts;
  await until(() => side.arrived.length >= 5, { what: `${what}: all to arrive` });
  await side.close();
  expect([...side.arrived].sort(), what).toEqual([...auto, ...ask].sort());
  expect(await stage.statuses([...auto, ...ask, off, short]), what).toEqual([
    ...['sent', 'sent', 'sent', 'sent', 'sent'],
    ...['sent', 'expired'],
  ]);
  expect(counts, what).toEqual({ rescued: 5, expired: 1, held: 0, stranded: 1, confirmed_late: 0 });
  expect(await stage.stillUnconfirmed(), what).toBe(1);
  expect(await stage.rescues.inHand(incident), what).toEqual(new Map());
  expect((await stage.jobs.depth()).normal, what).toMatchObject({ waiting: 0, delayed: 0, failed: 0 });
  return { survived: !life.dead };
}

test('whatever the step at which it dies', { timeout: 240_000 }, async () => {
  let db = 0;
  let survived = false;
  // Until one has lived through all of it: that one had no more steps than this.
  for (let step = 1; !survived; step += 5) {
    const games = [0, 1, 2, 3, 4].flatMap((more) =>
      ['before' as const, 'after' as const].map((when) => ({ more, when })),
    );
    const played = await Promise.all(
      games.map(async ({ more, when }) => {
        const stage = await openStage(redis, db++);
        const result = await play(stage, step + more, when);
        await stage.close();
        return result;
      }),
    );
    survived = played.some((one) => one.survived);
    expect(db).toBeLessThan(databases);
  }
  // Every message is claimed, saved, queued and settled: fewer steps would mean that nobody has died over them.
  expect(db / 2).toBeGreaterThan(25);
});

test('two monitors that both think they lead send everything once, and count it once', {
  timeout: 60_000,
}, async () => {
  await Promise.all(
    Array.from({ length: 8 }, async (_, game) => {
      const stage = await openStage(redis, databases - 1 - game);
      const ids: string[] = [];
      for (let n = 0; n < 60; n++) ids.push(await stage.swallow({ stream: n % 3 === 0 ? 'ask' : 'auto' }));
      for (let n = 0; n < 40; n++) await stage.swallow({ stream: 'off' });
      const to = await stage.rescues.now();
      const side = stage.far();
      const both = [stage.rescue(), stage.rescue()] as const;
      await Promise.all(both.map((one) => one.begin(incident, 'first', 0, to)));
      const counts = async (states: readonly string[]) => {
        const [one] = await Promise.all(both.map((rescue) => runUntil(rescue, states)));
        return one!.counts;
      };
      expect(await counts(['awaiting_approval'])).toMatchObject({ rescued: 40, held: 20 });
      await Promise.all(both.map((one) => one.approve(incident)));
      expect(await counts(['done'])).toEqual({ rescued: 60, expired: 0, held: 0, stranded: 40, confirmed_late: 0 });
      await side.close();
      expect([...side.arrived].sort()).toEqual([...ids].sort());
      expect(stage.counts).toEqual({ rescued: 60, held: 0, stranded: 40 });
      expect(stage.notes).toHaveLength(3);
      await stage.close();
    }),
  );
});
