// The accountant: what was promised, what really went out, and what the service says of it. Pure; every fault is a sentence.
import type { Copy } from './ledger.ts';

/** One request of a client. An address belongs to one request, however often that was repeated. */
export interface Try {
  readonly address: string;
  /** `accepted`: a 202. `refused`: told that nothing was accepted, or never connected. `unsure`: no answer. */
  readonly answer: 'accepted' | 'refused' | 'unsure';
  readonly id: string | null;
}

/** A message as the API shows it, as far as it matters here. */
export interface Shown {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly possible_duplicate: boolean;
  readonly to: readonly string[];
  readonly attempts: readonly { readonly provider: string; readonly outcome: string | null }[];
}

/** The books of one run. */
export interface Books {
  readonly tries: readonly Try[];
  readonly copies: readonly Copy[];
  readonly messages: readonly Shown[];
  /** Under which statuses the lists by status have each id. */
  readonly listedAs: ReadonlyMap<string, readonly string[]>;
  /** How many messages the incidents say were sent again. */
  readonly rescued: number;
  /** Providers where a second hand-over with the same key sends nothing twice. */
  readonly idempotent: readonly string[];
}

/** What the books come to. `faults` is empty when all is as promised. */
export interface Account {
  readonly faults: readonly string[];
  readonly accepted: number;
  readonly unsure: number;
  readonly sent: number;
  /** Ended without a hand-over that is known to have succeeded, and says so: by status. */
  readonly otherEnds: Readonly<Record<string, number>>;
  readonly lost: number;
  readonly extraCopies: number;
  readonly unknown: number;
  readonly rescued: number;
}

const out = ['sent', 'delivered', 'bounced', 'complained'];
const otherwise = ['failed', 'expired', 'cancelled', 'suppressed', 'held'];

/** Goes through the books. */
export function account({ tries, copies, messages, listedAs, rescued, idempotent }: Books): Account {
  const faults: string[] = [];
  const byId = new Map(messages.map((message) => [message.id, message]));
  const copiesOf = new Map<string, Copy[]>();
  for (const copy of copies) copiesOf.set(copy.id, [...(copiesOf.get(copy.id) ?? []), copy]);
  const otherEnds: Record<string, number> = {};
  let [sent, lost, extraCopies, unknown, again] = [0, 0, 0, 0, 0];

  for (const message of messages) {
    const { id, status, reason, attempts, possible_duplicate } = message;
    const mine = copiesOf.get(id) ?? [];
    const say = (text: string) => faults.push(`${id} (${status}): ${text}`);
    const listed = listedAs.get(id) ?? [];
    if (listed.length !== 1 || listed[0] !== status) say(`is listed as ${listed.join(' and ') || 'nothing'}`);
    if (out.includes(status)) {
      sent += 1;
      if (mine.length === 0) {
        lost += 1;
        say('no provider has it');
      }
    } else if (otherwise.includes(status)) {
      otherEnds[status] = (otherEnds[status] ?? 0) + 1;
      if (reason === null) say('gives no reason');
    } else say('has not ended');
    if (mine.length > 1 && !possible_duplicate) say(`went out ${mine.length} times and does not say so`);
    extraCopies += Math.max(0, mine.length - 1);

    const accepted = attempts.filter(({ outcome }) => outcome === 'accepted').length;
    again += Math.max(0, accepted - 1);
    unknown += attempts.filter(({ outcome }) => outcome === 'unknown' || outcome === 'parked').length;
    if (attempts.some(({ outcome }) => outcome === null)) say('has an attempt that is still open');
    for (const provider of new Set([...mine, ...attempts].map((one) => one.provider))) {
      const there = attempts.filter((one) => one.provider === provider);
      const perhaps = there.filter(({ outcome }) => ['accepted', 'unknown', 'parked'].includes(outcome ?? '')).length;
      const certainly = there.filter(({ outcome }) => outcome === 'accepted').length;
      const taken = mine.filter((one) => one.provider === provider).length;
      if (taken > perhaps) say(`${provider} has ${taken} copies, of which ${perhaps} are on record`);
      if (taken < (idempotent.includes(provider) ? Math.min(1, certainly) : certainly))
        say(`${provider} is said to have taken ${certainly} and has ${taken}`);
    }
  }
  // A second hand-over that was accepted needs a cause of its own: the first one was taken back.
  if (again > rescued) faults.push(`${again} messages were taken twice, and only ${rescued} were rescued`);

  const tryOf = new Map(tries.map((one) => [one.address, one]));
  for (const { address, answer, id } of tries) {
    if (answer !== 'accepted') continue;
    if (id === null || !byId.has(id)) {
      lost += 1;
      faults.push(`${id} to ${address}: accepted, and gone`);
    }
  }
  const stored = [...messages.map(({ id, to }) => ({ id, address: to[0] ?? '', where: 'stored' }))];
  const went = copies.map(({ id, recipient, provider }) => ({ id, address: recipient, where: `sent by ${provider}` }));
  for (const { id, address, where } of [...stored, ...went]) {
    const asked = tryOf.get(address);
    if (!asked) faults.push(`${id} to ${address}: ${where}, and nobody asked for it`);
    else if (asked.answer === 'refused') faults.push(`${id} to ${address}: ${where}, and it was refused`);
    else if (asked.answer === 'accepted' && asked.id !== id)
      faults.push(`${id} to ${address}: ${where}, and it was accepted as ${asked.id}`);
    if (!byId.has(id)) faults.push(`${id} to ${address}: ${where}, and the service does not know it`);
  }
  const count = (what: Try['answer']) => tries.filter(({ answer }) => answer === what).length;
  return {
    faults,
    accepted: count('accepted'),
    unsure: count('unsure'),
    sent,
    otherEnds,
    lost,
    extraCopies,
    unknown,
    rescued: again,
  };
}
