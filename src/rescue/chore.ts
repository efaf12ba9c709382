// The rescuer: in small slices, lane by lane and newest first, takes mail back from providers that have swallowed it.
//
// Everything it knows is in the store, so that a monitor may die at any step and the next one goes on.
import { setTimeout as pause } from 'node:timers/promises';
import { type Lane, lanes } from '../core/message.ts';
import { createPace, type Pace } from '../core/pace.ts';
import type { RescueCount } from '../core/rescue.ts';
import type { Chore } from '../monitor/chore.ts';
import type { Unconfirmed } from '../store/messages.ts';
import type { RescueRecord } from '../store/rescues.ts';
import { settleInHand } from './in-hand.ts';
import { createNotes } from './notes.ts';
import type { RescueParts } from './parts.ts';
import { standbyOf } from './standby.ts';
import { createSums } from './sums.ts';
import { type Allow, take } from './take.ts';

// Slices spread a second's allowance, so that the queue never gets it in one burst.
const slices = 9;
const sliceMs = 100;
const pageSize = 20;
// Looking costs little, and most of what is looked at may be of streams that want no rescue; but a slice must end.
const looksPerSlice = 500;
// Of a rate, so much may be saved up and go at once.
const burst = 0.2;
// What was accepted since the pass began is looked for when all of it has come, or after this.
const nextPassMs = 5_000;

/** Works on all rescues that run. One run takes about a second, and is over at once when there are none. */
export function rescueChore(parts: RescueParts): Chore {
  const { rescues, messages, settings, clock } = parts;
  const sums = createSums(parts);
  const notes = createNotes(parts);
  const pace = createPace(settings.rate, Math.max(1, settings.rate * burst));
  const standbys = new Map<string, Pace>();
  // Taken from `pace`, and not used yet: the standby was not ready for more.
  let token = false;

  const limited = [...parts.providers].filter(([, { maxRate }]) => maxRate !== null).map(([name]) => name);
  /** At most half of the standby's own rate; and of what new mail leaves of it, see `hasRoom`. */
  function standbyPace(name: string): Pace | null {
    const maxRate = parts.providers.get(name)?.maxRate ?? null;
    if (maxRate === null) return null;
    const made = standbys.get(name) ?? createPace(maxRate / 2, Math.max(1, (maxRate / 2) * burst));
    standbys.set(name, made);
    return made;
  }

  /** Has new mail left one place in its rate empty? Then the next one may be taken: half of what is left. */
  function hasRoom(name: string, idle: ReadonlyMap<string, number>): boolean {
    const maxRate = parts.providers.get(name)?.maxRate ?? null;
    return maxRate === null || idle.get(name)! >= 1_000 / maxRate;
  }

  function allowance(room: number, idle: ReadonlyMap<string, number>): Allow {
    let left = room;
    return (stream, provider) => {
      const now = clock();
      const world = parts.world();
      const standby = standbyOf(parts.streams, stream, provider, world, now);
      if (standby === null) {
        // With no standby for anybody the order is kept, and all of it waits.
        const others = Object.keys(parts.streams).some((one) => standbyOf(parts.streams, one, provider, world, now));
        return others ? 'none' : 'stop';
      }
      if (left <= 0 || !hasRoom(standby, idle)) return 'stop';
      token ||= pace.take(now);
      if (!token || standbyPace(standby)?.take(now) === false) return 'stop';
      token = false;
      left -= 1;
      return 'go';
    };
  }

  // New mail comes first: where more of it waits than there are workers, or where none of them is free.
  async function crowded(): Promise<ReadonlySet<Lane>> {
    const depth = await parts.jobs.depth();
    const full = lanes.filter((lane) => {
      const workers = parts.concurrency[lane];
      const { waiting, active } = depth[lane];
      return waiting > workers || (waiting > 0 && active >= workers);
    });
    return new Set(full);
  }

  /** False when the lane has to stop for now, for want of room or of a standby. */
  async function workOn(rescue: RescueRecord, lane: Lane, allow: Allow): Promise<boolean> {
    const { id, provider, pass } = rescue;
    const due = await rescues.due(id, lane, clock(), pageSize);
    const again = due.map((message) => ({ id: message, at: null }));
    if (due.length > 0 && (await take(parts, sums, rescue, lane, again, 'later', allow)).done < due.length)
      return false;
    if (rescue.approved) {
      const held = await rescues.held(id, lane, pageSize);
      if (held.length > 0 && (await take(parts, sums, rescue, lane, held, 'held', allow)).done < held.length)
        return false;
    }
    let cursor = rescue.cursors[lane];
    for (let looks = 0; cursor !== 'end' && looks < looksPerSlice; looks += pageSize) {
      const page: readonly Unconfirmed[] = await messages.unconfirmedBetween(
        provider,
        lane,
        pass.from,
        pass.to,
        cursor,
        pageSize,
      );
      const { done, left } = await take(parts, sums, rescue, lane, page, 'index', allow);
      const next = page.length === 0 ? 'end' : done === 0 ? cursor : page[done - 1]!;
      if (next !== cursor && !(await rescues.advance(id, lane, cursor, next, left))) return false;
      for (const [what, by] of left) sums.count(id, what, by);
      if (done < page.length) return false;
      cursor = next;
    }
    return true;
  }

  async function endIfDone(rescue: RescueRecord, inHand: number): Promise<void> {
    const { id, provider, pass, to } = rescue;
    if (inHand > 0 || lanes.some((lane) => rescue.cursors[lane] !== 'end') || (await rescues.countLater(id)) > 0)
      return;
    if (pass.to < to) {
      // What has this score or a lower one is in the index by now.
      const sure = (await rescues.now()) - 1;
      if (sure >= to || sure - pass.to >= nextPassMs)
        await rescues.nextPass(id, pass, { from: pass.to + 1, to: Math.min(sure, to) });
      return;
    }
    const held = await rescues.countHeld(id);
    if (held > 0 && rescue.approved) return;
    const state = held > 0 ? 'awaiting_approval' : 'done';
    if (!(await rescues.rest(id, state))) return;
    const counts = (await rescues.read(id))?.counts ?? rescue.counts;
    const words = summary(counts);
    const text =
      held > 0
        ? `${held} messages that ${provider} has swallowed await approval to be sent again (${words})`
        : `the rescue of what ${provider} has swallowed is over (${words})`;
    await notes.say(id, state, text);
    parts.log.info({ incident: id, provider, ...counts }, text);
  }

  /** False when no rescue runs. */
  async function slice(): Promise<boolean> {
    const running = await rescues.running();
    if (running.length === 0) return false;
    let room = settings.at_once;
    const inHand = new Map<string, number>();
    for (const rescue of running) {
      inHand.set(rescue.id, await settleInHand(parts, sums, rescue));
      room -= inHand.get(rescue.id)!;
    }
    for (const rescue of running) await endIfDone(rescue, inHand.get(rescue.id)!);
    const allow = allowance(room, await rescues.idleFor(limited));
    const full = await crowded();
    for (const lane of lanes) {
      if (full.has(lane)) continue;
      let through = true;
      for (const rescue of running) through = (await workOn(rescue, lane, allow)) && through;
      // A lane that has more to send than may go now keeps the lower ones waiting.
      if (!through) break;
    }
    await sums.tell();
    return true;
  }

  return {
    name: 'rescue',
    everyMs: 0,
    async run() {
      await notes.tell();
      for (let turn = 0; turn < slices; turn++) {
        if (turn > 0) await pause(sliceMs);
        if (!(await slice())) return;
      }
    },
  };
}

function summary(counts: Readonly<Record<RescueCount, number>>): string {
  const { rescued, expired, stranded, confirmed_late } = counts;
  return `${rescued} sent again, ${expired} expired, ${stranded} stranded, ${confirmed_late} confirmed late`;
}
