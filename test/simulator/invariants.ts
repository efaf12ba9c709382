// What must hold at the end of every run, whatever has happened: each message in one end, counts that agree with the records.
import { hasSignOfLife } from '../../src/core/events.ts';
import { isPending } from '../../src/core/message.ts';
import type { FarSide } from './provider.ts';
import type { Ground } from './service.ts';

/** All that is wrong, in words. */
export function endFaults(
  { notes, records, signs, evidence, queue, plan, cases }: Ground,
  farSides: ReadonlyMap<string, FarSide>,
): string[] {
  const faults: string[] = [];
  const add = (words: string) => faults.push(words);
  for (const fate of notes.fates.values()) {
    const message = records.messages.get(fate.id);
    if (!message) {
      add(`${fate.id} is gone`);
      continue;
    }
    const { flow, status } = message;
    if (isPending(status)) add(`${fate.id} has come to no end: it is ${status}`);
    if (flow.attempts.some(({ outcome }) => outcome === null)) add(`${fate.id} has an attempt that was never closed`);
    if (fate.copies.length > 0 && fate.cancelledAt !== null) add(`${fate.id} was cancelled, and sent all the same`);
    for (const { number, provider, outcome } of flow.attempts) {
      if (outcome !== 'accepted' || !farSides.get(provider)?.plan.confirms) continue;
      const entry = signs.of(provider).byId.get(fate.id);
      if (!entry) add(`${fate.id}: attempt ${number} was accepted by ${provider}, and never counted as taken`);
      else if (entry.heardMs === null && hasSignOfLife(flow, provider) && !flow.takenBack?.includes(provider))
        add(`${fate.id}: ${provider} has shown life, and it counts as silent`);
    }
  }
  for (const { name, confirms } of plan.providers) {
    const its = signs.of(name);
    if (!confirms) {
      if (its.taken.length > 0) add(`${name} confirms nothing, and its mail is awaited`);
      continue;
    }
    const twice = new Map<string, number>();
    for (const { id } of its.taken) twice.set(id, (twice.get(id) ?? 0) + 1);
    for (const [id, count] of twice) {
      const accepted = records.messages
        .get(id)
        ?.flow.attempts.filter((one) => one.provider === name && one.outcome === 'accepted');
      if (count > (accepted?.length ?? 0))
        add(`${id} counts ${count} times as taken by ${name}, which took it ${accepted?.length} times`);
    }
    for (const lane of ['critical', 'normal', 'bulk'] as const) {
      for (const { member } of its.unconfirmed[lane].range(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)) {
        if (its.byId.get(member)?.heardMs !== null) add(`${member} is unconfirmed at ${name}, and was heard of`);
      }
    }
  }
  for (const { flow, id } of records.messages.values()) {
    for (const { token, number, outcome, reason } of flow.attempts) {
      const counted = evidence.counted.get(token) ?? 0;
      const most = notes.fates.get(id)?.lapsed.has(number) ? 2 : 1;
      if (counted > most) add(`attempt ${number} of ${id} counts ${counted} times as evidence`);
      if (
        counted === 0 &&
        plan.crashesAnHour === 0 &&
        outcome !== null &&
        reason !== 'worker_crashed' &&
        !disturbed(plan.moments)
      )
        add(`attempt ${number} of ${id} (${outcome}) does not count as evidence`);
    }
  }
  if (queue.size() > 0) add(`${queue.size()} jobs are left in the queue`);
  for (const { record, work } of cases.rescues.values()) {
    if (record.state === 'running') add(`the rescue from ${record.provider} never ends`);
    if (record.state === 'done' && work.size > 0)
      add(`the rescue from ${record.provider} is done, with ${work.size} in hand`);
  }
  const open = [...cases.open.keys()];
  if (new Set(open).size !== open.length) add('two incidents are open for the same cause');
  return faults;
}

const disturbed = (moments: readonly object[]) =>
  moments.some((moment) => 'kill' in moment || 'pause' in moment || 'store' in moment);
