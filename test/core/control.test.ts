// One mailbox host is silent here: the host's own trouble, or mail that this provider loses?
import { describe, expect, test } from 'vitest';
import { ageAt } from '../../src/core/curve.ts';
import { noGuard } from '../../src/core/feedback.ts';
import { findings } from '../../src/core/findings.ts';
import type { Reading } from '../../src/core/reading.ts';
import { cell, cellsFor, minute, now, second, steady, swift, tail } from './signs.cases.ts';

const settings = { suspect_score: 7, silence_score: 10, learn_from: 50 };
const ago = (seconds: number) => seconds * second;
/** Silent for two minutes: half of its mail in either half of it. Others of its mail arrive. */
const lost = (group: string, each = 10) => [
  cell(ago(120), group, each),
  cell(ago(59), group, each),
  ...cellsFor(tail(6), 4, 4, ago(60)),
];

function on(cells: Reading['cells'], others: Record<string, Reading['cells']>, confirms = true) {
  const around = Object.entries(others).map(
    ([name, its]) => [name, steady(its, { webhookAt: now, confirms })] as const,
  );
  const readings = new Map([['a', steady(cells)], ...around]);
  return findings(readings, noGuard, null, settings, now).findings.get('a')!;
}

describe('a host that is silent here', () => {
  test('and reached by others all the while is a loss of this provider', () => {
    const found = on(lost('google'), { b: [cell(ago(50), 'google', 8, 8)] });
    expect(found).toMatchObject({ kind: 'partial', messages: 20, groups: 1, since: now - ago(120), proven: true });
    expect(found.detail).toMatch(
      /^its mail to google is missing, which others reach: no news of 20 messages to 1 mailbox host,/,
    );
    expect(found).toMatchObject({ certain: true });
    expect(found.score).toBeGreaterThan(20);
  });

  test('is its own trouble when nobody else hears from it, or has tried', () => {
    for (const others of [{}, { b: [cell(ago(50), 'google', 8)] }, { b: [cell(ago(50), 'yahoo', 8, 8)] }])
      expect(on(lost('google'), others)).toMatchObject({ kind: 'recipient_delay', messages: 20, proven: false });
    expect(on(lost('google'), { b: [cell(ago(50), 'google', 8, 8)] }, false).kind).toBe('recipient_delay');
  });

  test('is its own trouble when others got through to it only before it failed', () => {
    const kindAfter = (ms: number, age = 120) =>
      on([cell(ago(age), 'google', 40), cell(ago(1), 'google', 40)], { b: [cell(ago(age) - ms, 'google', 40, 40)] })
        .kind;
    // Mail that was on its way when it failed: as much as is usual, or half of the silence.
    const usualMs = ageAt(swift.all, 0.95);
    expect([Math.floor(usualMs), Math.ceil(usualMs)].map((ms) => kindAfter(ms))).toEqual([
      'recipient_delay',
      'partial',
    ]);
    expect([4_999, 5_000].map((ms) => kindAfter(ms, 10))).toEqual(['recipient_delay', 'partial']);
  });

  test('is its own trouble when it only puts others’ mail off', () => {
    const putOff = { ...cell(ago(50), 'google', 8, 8), reached: 0 };
    expect(on(lost('google'), { b: [putOff] }).kind).toBe('recipient_delay');
  });

  test('is a loss of this provider only where it is no chance that all that got through was others’', () => {
    // Of 20 mails ten are theirs; five of five are so once in sixty times, six of six once in two hundred.
    const kind = (reached: number, each = 10) =>
      on(lost('google', each), {
        b: [cell(ago(50), 'google', 10 - reached), cell(ago(50), 'google', reached, reached)],
      }).kind;
    expect([kind(5), kind(6)]).toEqual(['recipient_delay', 'partial']);
    // Where more of the mail is this provider's, fewer are needed.
    expect([kind(2, 50), kind(3, 50)]).toEqual(['recipient_delay', 'partial']);
    // It is theirs together.
    const two = { b: [cell(ago(50), 'google', 3, 3)], c: [cell(ago(40), 'google', 3, 3)] };
    expect(on(lost('google'), two).kind).toBe('partial');
    expect(on(lost('google'), { b: two.b, d: [cell(minute, 'google', 9)] }).kind).toBe('recipient_delay');
  });

  test('cannot be told where it is one of many in a bucket: another domain of it may be the one that is reached', () => {
    expect(on(lost('d7'), { b: [cell(ago(50), 'd7', 40, 40)] })).toMatchObject({ kind: 'recipient_delay' });
  });
});
