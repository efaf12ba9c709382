// What may be expected of a run, in words that a scenario can be put together from. Times in ms from its beginning.
import type { HealthState } from '../../src/core/health.ts';
import { handOverTimes, quantile, switchesOf } from './measure.ts';
import { carrying, type Expectation } from './scenario.ts';
import type { Fate } from './witness.ts';

const minutes = (ms: number) => `${(ms / 60_000).toFixed(1)} min`;

/** The provider comes into one of these states, for this cause if one is named, between the two times. */
export function becomes(
  provider: string,
  states: readonly HealthState[],
  from: number,
  until: number,
  cause?: string,
): Expectation {
  const words = `${provider} is ${states.join(' or ')}${cause ? ` for ${cause}` : ''} from ${minutes(from)} to ${minutes(until)}`;
  return {
    words,
    check({ turns }) {
      const own = turns.filter((turn) => turn.provider === provider && states.includes(turn.to.state));
      const fits = own.find(({ at, to }) => at >= from && at <= until && (!cause || to.cause === cause));
      if (fits) return null;
      return own.length === 0
        ? 'it never is'
        : `it is at ${own.map(({ at, to }) => `${minutes(at)} (${to.state}, ${to.cause})`).join(', ')}`;
    },
  };
}

/** Nothing takes it out of use, all the time. */
export function staysUp(provider: string, from = 0, until = Number.POSITIVE_INFINITY): Expectation {
  return {
    words: `${provider} stays in use`,
    check({ turns }) {
      const left = turns.find(
        (turn) =>
          turn.provider === provider && turn.at >= from && turn.at <= until && !carrying.includes(turn.to.state),
      );
      return left ? `it is ${left.to.state} at ${minutes(left.at)}: ${left.to.reason}` : null;
    },
  };
}

/** No incident but of these causes is opened. */
export function noIncidentBut(...causes: string[]): Expectation {
  return {
    words: `no incident${causes.length > 0 ? ` but for ${causes.join(', ')}` : ''}`,
    check({ incidents }) {
      const other = incidents.find(({ kind, cause }) => kind === 'opened' && !causes.includes(cause));
      return other ? `${other.cause} of ${other.provider} at ${minutes(other.at)}` : null;
    },
  };
}

/** One of these is opened between the two times. */
export function incident(causes: readonly string[], from: number, until: number): Expectation {
  return {
    words: `an incident for ${causes.join(' or ')} from ${minutes(from)} to ${minutes(until)}`,
    check({ incidents }) {
      const opened = incidents.filter(({ kind }) => kind === 'opened');
      if (opened.some(({ at, cause }) => causes.includes(cause) && at >= from && at <= until)) return null;
      return `there are ${opened.map(({ at, cause }) => `${cause} at ${minutes(at)}`).join(', ') || 'none'}`;
    },
  };
}

/** All incidents are closed in the end. */
export const allClosed: Expectation = {
  words: 'all incidents are closed in the end',
  check({ incidents }) {
    const opened = incidents.filter(({ kind }) => kind === 'opened').length;
    const closed = incidents.filter(({ kind }) => kind === 'closed').length;
    return opened > closed ? `${opened - closed} are open` : null;
  },
};

/** Traffic leaves or comes back to no provider more often within an hour. */
export function switchesAnHour(most: number): Expectation {
  return {
    words: `at most ${most} switches of a provider in an hour`,
    check({ turns }) {
      for (const [provider, own] of switchesOf(turns)) {
        const over = own.findIndex((at, index) => (own[index + most] ?? Number.POSITIVE_INFINITY) - at < 3_600_000);
        if (over >= 0) return `${provider} has ${own.length}: ${own.map(minutes).join(', ')}`;
      }
      return null;
    },
  };
}

/** Mail is with some provider within this long after it is due; `share` of it. */
export function handedOverWithin(ms: number, share = 1, only: (fate: Fate) => boolean = () => true): Expectation {
  return {
    words: `${Math.round(share * 1_000) / 10} % of mail is with a provider within ${ms / 1_000} s`,
    check({ fates, messages, endedAt }) {
      const due = [...fates.values()].filter(
        (fate) =>
          fate.answeredAt !== null &&
          fate.cancelledAt === null &&
          only(fate) &&
          !['suppressed', 'held', 'failed'].includes(messages.get(fate.id)!.status),
      );
      const slow = due.filter((fate) => (fate.takenAt ?? endedAt) - Math.max(fate.dueAt, fate.answeredAt ?? 0) > ms);
      if (slow.length <= (1 - share) * due.length) return null;
      const worst = slow.reduce((a, b) =>
        (a.takenAt ?? endedAt) - a.dueAt > (b.takenAt ?? endedAt) - b.dueAt ? a : b,
      );
      return `${slow.length} of ${due.length} are not; ${worst.id}, due at ${minutes(worst.dueAt)}, waits ${(((worst.takenAt ?? endedAt) - worst.dueAt) / 1_000).toFixed(0)} s`;
    },
  };
}

/** Everything this provider swallowed between the two times has arrived through another one, unless it had expired; and once. */
export function rescued(provider: string, from: number, until: number): Expectation {
  return {
    words: `what ${provider} swallows from ${minutes(from)} to ${minutes(until)} is rescued`,
    check({ fates, messages }) {
      const lost: Fate[] = [];
      let swallowed = 0;
      for (const fate of fates.values()) {
        const [copy] = fate.copies;
        if (!copy || copy.provider !== provider || copy.at < from || copy.at > until) continue;
        const message = messages.get(fate.id)!;
        const gone = copy.recipients.filter(
          (one) => !fate.arrivals.some((arrival) => arrival.recipient === one && arrival.provider === provider),
        );
        const bounced = message.flow.recipients.every((one) => one === 'bounced');
        if (gone.length === 0 || bounced) continue;
        swallowed += 1;
        const again = fate.copies.some(
          (other) => other.provider !== provider && gone.some((one) => other.recipients.includes(one)),
        );
        const heard = message.flow.events.some((event) => event.provider === provider);
        if (!again && !heard && !['expired', 'held', 'suppressed'].includes(message.status)) lost.push(fate);
      }
      if (lost.length === 0) return null;
      return `${lost.length} of ${swallowed} are not: ${lost
        .slice(0, 3)
        .map((fate) => `${fate.id} (taken at ${minutes(fate.copies[0]!.at)}, ${messages.get(fate.id)!.status})`)
        .join(', ')}`;
    },
  };
}

/** No more than this share of all mail is sent twice. */
export function duplicatesUnder(share: number): Expectation {
  return {
    words: `at most ${share * 100} % of mail is sent twice`,
    check({ fates }) {
      const twice = [...fates.values()].filter(
        ({ copies }) =>
          copies.length > 1 &&
          copies.some((a) => copies.some((b) => a !== b && a.recipients.some((one) => b.recipients.includes(one)))),
      );
      return twice.length <= share * fates.size ? null : `${twice.length} of ${fates.size} are`;
    },
  };
}

/** It carries mail again by then. */
export function backBy(provider: string, at: number): Expectation {
  return {
    words: `${provider} carries mail again by ${minutes(at)}`,
    check({ turns }) {
      const last = turns.filter((turn) => turn.provider === provider && turn.at <= at).at(-1);
      return !last || carrying.includes(last.to.state) ? null : `it is ${last.to.state}: ${last.to.reason}`;
    },
  };
}

/** It is never given more than its rate, counted over ten seconds, with what may be saved up. */
export function rateUnder(provider: string, perSecond: number): Expectation {
  return {
    words: `${provider} is given at most ${perSecond} a second`,
    check({ fates }) {
      const times = [...fates.values()]
        .flatMap(({ begun }) => begun.filter((one) => one.provider === provider).map((one) => one.at))
        .sort((a, b) => a - b);
      const most = perSecond * 10 + 2;
      const over = times.findIndex((time, index) => (times[index + most] ?? Number.POSITIVE_INFINITY) - time < 10_000);
      return over < 0 ? null : `more than ${most} in the ten seconds from ${minutes(times[over]!)}`;
    },
  };
}

/** While mail is taken back, new mail is handed over nearly as fast as before the trouble that began at `from`: 99 of 100 of it. */
export function newMailAsFast(from: number, times: number): Expectation {
  return {
    words: `during the rescue 99 % of new mail is handed over within ${times} times the usual`,
    check(seen) {
      const { before, during } = handOverTimes(seen, from);
      const [usual, now] = [quantile(before, 0.99), quantile(during, 0.99)];
      if (usual === null || now === null) return 'there is no new mail, or no rescue';
      if (now <= times * usual) return null;
      return `${now.toFixed(0)} ms for ${during.length} messages, ${usual.toFixed(0)} ms for ${before.length} before`;
    },
  };
}
