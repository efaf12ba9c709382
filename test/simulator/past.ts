// What has been learned of a provider before a run begins: its usual delays, from mail it carried in the days before.
import { type Learned, watchedMs } from '../../src/core/curve.ts';
import { binEnd, delayBin, delayBins } from '../../src/core/delays.ts';
import { delayClass } from '../../src/core/mailbox.ts';
import type { Dice } from './detection/dice.ts';
import { delayMs, type Hosts } from './hosts.ts';

const secondMs = 1_000;
// The monitor remembers about so many looks.
const looks = 400;
const looksEach = 50;

/** As the store keeps it: JSON of what `messages` mails, `perMinute` of them, have taught until `now` (epoch ms). */
export function pastOf(hosts: Hosts, dice: Dice, now: number, messages: number, perMinute: number): string {
  const taken: Record<string, number> = {};
  const heard: Record<string, number[]> = {};
  const stream: { at: number; heardAt: number }[] = [];
  let at = 0;
  for (let each = 0; each < messages; each++) {
    at += dice.exponential((60 * secondMs) / perMinute);
    const host = hosts.draw(dice);
    const name = delayClass(host.group);
    taken[name] = (taken[name] ?? 0) + 1;
    const delay = dice.uniform() < 0.03 ? Number.POSITIVE_INFINITY : delayMs(host, dice) + 100 + dice.exponential(400);
    stream.push({ at, heardAt: at + delay });
    if (delay === Number.POSITIVE_INFINITY) continue;
    const bin = delayBin(delay);
    heard[name] ??= Array<number>(delayBins).fill(0);
    if (binEnd(bin) <= watchedMs) heard[name][bin]! += 1;
  }
  const fronts = Array<number>(delayBins).fill(0);
  for (let look = 0; look < looks; look++) fronts[delayBin(frontAt(stream, at * dice.uniform()))]! += looksEach;
  const foldedUntil = Math.floor((now - watchedMs) / 60_000) * 60_000;
  const learned: Learned = { foldedUntil, taken, heard, skips: [], fronts };
  return JSON.stringify(learned);
}

/** How old the oldest mail is at `now` that is newer than all that was heard of, ms. */
function frontAt(stream: readonly { at: number; heardAt: number }[], now: number): number {
  let oldest = now;
  for (let index = stream.findLastIndex(({ at }) => at <= now); index >= 0; index--) {
    const { at, heardAt } = stream[index]!;
    if (heardAt <= now) break;
    oldest = at;
  }
  return now - oldest;
}
