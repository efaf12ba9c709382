// What happens to the world in a scenario: to providers, hosts, our door, our store, our clock, our processes; and by operators' hands.
import type { Calm } from './calm.ts';
import type { Process } from './clock.ts';
import type { Dice } from './detection/dice.ts';
import type { Hosts } from './hosts.ts';
import type { Happening } from './scenario.ts';
import type { Api, Ground } from './service.ts';
import type { WebhookWay } from './webhooks.ts';

/** Where it happens. */
export interface Stage {
  readonly ground: Ground;
  readonly hosts: Hosts;
  readonly way: WebhookWay;
  readonly skew: { ours: number; store: number };
  readonly calm: Calm;
  readonly processes: ReadonlyMap<string, Process>;
  readonly dice: Dice;
  readonly traffic: { times: number };
  /** The process that takes requests; null while none does. */
  api(): Api | null;
  start(name: string): void;
  kill(name: string): void;
}

/** Makes it happen now. */
export function happen(stage: Stage, what: Happening): void {
  const { ground, hosts, way, skew } = stage;
  const { clock, notes, records, shelf, queue } = ground;
  notes.line('happens', JSON.stringify(what));
  if ('becomes' in what) {
    const farSide = ground.farSides.get(what.provider)!;
    const held = farSide.behaviour().webhooks === 'wait';
    farSide.change(what.becomes);
    if (held && farSide.behaviour().webhooks !== 'wait') way.release(what.provider);
    if (what.flush) farSide.flush();
  } else if ('host' in what) {
    for (const host of hosts.all)
      if (host.group === what.host || host.domain === what.host) host.downUntil = clock.now() + what.downForMs;
  } else if ('door' in what) {
    way.door(what.door === 'open');
  } else if ('store' in what) {
    shelf.goAway(clock.now() + 1, what.forMs);
  } else if ('clock' in what) {
    skew.ours += what.clock;
    if (what.whose === 'all') skew.store += what.clock;
    stage.calm.jumped();
    queue.jumped();
  } else if ('kill' in what) {
    for (const name of namesOf(stage, what.kill)) {
      stage.kill(name);
      clock.plan(null, clock.now() + what.forMs, () => stage.start(name));
    }
  } else if ('pause' in what) {
    for (const name of namesOf(stage, what.pause)) {
      const process = stage.processes.get(name)!;
      process.pausedUntil = Math.max(process.pausedUntil, clock.now() + what.forMs);
      if (name.startsWith('worker')) queue.lost(process);
    }
  } else if ('pin' in what) {
    const before = records.world;
    const { version, health, pins } = before;
    const until = what.forMs === null ? null : ground.wall() + what.forMs;
    const pin = { to: what.pin, reason: 'by hand', by: 'operator', at: ground.wall(), until };
    records.world = { version: String(Number(version) + 1), health, pins: new Map([...pins, [what.stream, pin]]) };
    ground.worldChanged(before);
  } else if ('quarantine' in what || 'release' in what) {
    const name = 'quarantine' in what ? what.quarantine : what.release;
    const before = records.world;
    const { version, health, pins } = before;
    const was = health.get(name)!;
    const state = 'quarantine' in what ? 'quarantined' : 'probing';
    const to = { ...was, state, epoch: was.epoch + 1, since: ground.wall(), until: null, reason: 'by hand' } as const;
    records.world = { version: String(Number(version) + 1), health: new Map([...health, [name, to]]), pins };
    ground.worldChanged(before);
  } else if ('approve' in what) {
    const api = stage.api();
    if (!api) return;
    for (const [id, { record }] of ground.cases.rescues) {
      if (record.approved || record.state === 'done') continue;
      clock.plan(api.process, clock.now(), () => void api.rescue.approve(id).catch(() => {}));
    }
  } else {
    stage.traffic.times = what.traffic;
  }
}

function namesOf({ ground, processes }: Stage, name: string): string[] {
  if (name === 'service') return [...processes.keys()];
  if (name === 'monitors') return ['monitor-1', 'monitor-2'];
  if (name === 'leader') return [ground.lease.holder?.split('/')[0] ?? 'monitor-1'];
  return [name];
}
