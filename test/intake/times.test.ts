// Points in time with an offset, and schedules.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSchedule, parseTime } from '../../src/intake/times.ts';
import { badTimes } from '../support/bad-values.ts';

describe('parseTime', () => {
  it.each([
    ['2026-11-05T14:30:00Z', Date.UTC(2026, 10, 5, 14, 30)],
    ['2026-11-05T14:30Z', Date.UTC(2026, 10, 5, 14, 30)],
    ['2026-11-05t14:30:00z', Date.UTC(2026, 10, 5, 14, 30)],
    ['2026-11-05T14:30:00+02:00', Date.UTC(2026, 10, 5, 12, 30)],
    ['2026-11-05T14:30:00-09:30', Date.UTC(2026, 10, 6, 0, 0)],
    ['2026-11-05T14:30:00.5Z', Date.UTC(2026, 10, 5, 14, 30, 0, 500)],
    ['2026-11-05T14:30:00.123456789Z', Date.UTC(2026, 10, 5, 14, 30, 0, 123)],
    ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
    ['9999-12-31T23:59:59.999Z', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
  ])('%s', (text, at) => {
    expect(parseTime(text)).toBe(at);
  });

  it.each([
    ...badTimes,
    '2026-02-29T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-01-00T00:00:00Z',
    '2026-01-01T00:00:60Z',
    ' 2026-01-01T00:00:00Z',
  ])('%j is none', (text) => {
    expect(parseTime(text)).toBeNull();
  });

  it('reads back every time that JavaScript writes', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date(-62_167_219_200_000), max: new Date(253_402_300_799_999), noInvalidDate: true }),
        (date) => {
          expect(parseTime(date.toISOString())).toBe(date.getTime());
        },
      ),
    );
  });
});

describe('parseSchedule', () => {
  const now = Date.UTC(2026, 10, 5, 12);
  const at = (ms: number) => new Date(now + ms).toISOString();

  it('is null once the time has come, and a time until then', () => {
    expect(parseSchedule(at(-60_000), now, 3_600_000)).toEqual({ ok: true, at: null });
    expect(parseSchedule(at(0), now, 3_600_000)).toEqual({ ok: true, at: null });
    expect(parseSchedule(at(1), now, 3_600_000)).toEqual({ ok: true, at: now + 1 });
    expect(parseSchedule(at(3_600_000), now, 3_600_000)).toEqual({ ok: true, at: now + 3_600_000 });
  });

  it('has an end, and says where', () => {
    const fault = 'is too far ahead: the latest that can be scheduled now is 2026-11-05T13:00:00.000Z.';
    expect(parseSchedule(at(3_600_001), now, 3_600_000)).toEqual({ ok: false, fault });
    expect(parseSchedule('tomorrow', now, 3_600_000)).toEqual({
      ok: false,
      fault: expect.stringMatching(/2026-11-05T14:30:00Z/),
    });
  });
});
