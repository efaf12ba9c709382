// Points in time as a send gives them: ISO 8601 with an offset, because a time without one is a different moment on every machine.
import { formatDuration, parseDuration } from '../core/units.ts';
import type { Faults } from './faults.ts';
import type { SendRules } from './rules.ts';
import type { Send } from './send-schema.ts';

const shape = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * Epoch milliseconds of `2026-11-05T14:30:00Z`, `2026-11-05T14:30:00.250+02:00` or `2026-11-05T14:30Z`; null when it is none.
 * `Date.parse` alone would read a time without an offset as local, and 30 February as 2 March. Leap seconds are refused.
 */
export function parseTime(text: string): number | null {
  const match = shape.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const ms = Number(`${match[7] ?? ''}000`.slice(0, 3));
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59 || offsetHour > 23 || offsetMinute > 59) return null;
  // Not Date.UTC: it reads the years 0 to 99 as 1900 to 1999.
  const local = new Date(0);
  local.setUTCFullYear(year, month - 1, day);
  if (local.getUTCMonth() !== month - 1 || local.getUTCDate() !== day) return null;
  local.setUTCHours(hour, minute, second, ms);
  const offsetMs = (offsetHour * 60 + offsetMinute) * 60_000 * (match[8] === '-' ? -1 : 1);
  return local.getTime() - offsetMs;
}

/** `at` is null when the time has come already: then the mail goes at once. */
export type Schedule =
  | { readonly ok: true; readonly at: number | null }
  | { readonly ok: false; readonly fault: string };

/** Reads a `scheduled_at`: when to send, epoch ms, at most `aheadMs` after `now`. */
export function parseSchedule(text: string, now: number, aheadMs: number): Schedule {
  const at = parseTime(text);
  if (at === null) return { ok: false, fault: timeFault };
  if (at <= now) return { ok: true, at: null };
  if (at - now > aheadMs) {
    return { ok: false, fault: `is too far ahead: the latest that can be scheduled now is ${iso(now + aheadMs)}.` };
  }
  return { ok: true, at };
}

/** Reads scheduled_at and expires_at or expires_in. `streamMs`: how long mail of its stream is worth sending. */
export function readTimes(
  send: Send,
  rules: SendRules,
  streamMs: number,
  faults: Faults,
): { readonly scheduledAt: number | null; readonly expiresAt: number } {
  const { scheduled_at: text } = send;
  const schedule = text === undefined ? null : parseSchedule(text, rules.now, rules.limits.schedule_ahead);
  if (schedule?.ok === false) faults.add(['scheduled_at'], schedule.fault);
  const scheduledAt = schedule?.ok === true ? schedule.at : null;
  const start = scheduledAt ?? rules.now;
  return { scheduledAt, expiresAt: readExpiry(send, rules, start, streamMs, faults) };
}

/** `start`: the first moment at which the mail could go. */
function readExpiry(send: Send, rules: SendRules, start: number, streamMs: number, faults: Faults): number {
  const latest = start + rules.limits.expires_max;
  if (send.expires_at !== undefined) {
    const refuse = (message: string): void => faults.add(['expires_at'], message);
    if (send.expires_in !== undefined) refuse('is given together with expires_in: keep one of them.');
    const at = parseTime(send.expires_at);
    if (at === null) refuse(timeFault);
    else if (at <= rules.now) refuse('is in the past: nothing would be sent.');
    else if (at <= start) refuse('is not after scheduled_at: nothing would be sent.');
    else if (at > latest) refuse(`is too late: ${iso(latest)} is the latest.`);
    return at ?? start;
  }
  if (send.expires_in === undefined) return start + streamMs;
  const refuse = (message: string): void => faults.add(['expires_in'], message);
  const inMs = parseDuration(send.expires_in) ?? 0;
  if (inMs === 0) refuse('is not a duration above nought: write it as 30s, 15m, 2h or 3d.');
  else if (start + inMs > latest) refuse(`is too long: ${formatDuration(rules.limits.expires_max)} is the most.`);
  return start + inMs;
}

/** What to say about a text that `parseTime` cannot read. */
const timeFault = 'is not a time with an offset: write it as 2026-11-05T14:30:00Z or 2026-11-05T14:30:00+02:00.';

/** ISO 8601 in UTC with milliseconds. `at` is epoch ms. */
function iso(at: number): string {
  return new Date(at).toISOString();
}
