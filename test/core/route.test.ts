// What must hold of every decision `route` makes, in thousands of made-up situations.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Candidate, type Route, type RouteInput, route } from '../../src/core/route.ts';
import {
  anyInput,
  asksAgain,
  attemptsAt,
  candidate,
  dueInput,
  inDoubt,
  now,
  open,
  restingInput,
  rests,
  unknowns,
} from './route.cases.ts';
import { check, frozen, oneOf } from './support.ts';

/** `all` with `one` put into its list at the place that `where` picks. */
function withCandidate(all: RouteInput, one: Candidate, where: number): RouteInput {
  const candidates = [...all.candidates];
  candidates.splice(where % (candidates.length + 1), 0, one);
  return frozen({ ...all, candidates });
}

function chosenFrom(all: RouteInput, decision: Route): Candidate | null {
  return decision.do === 'send' ? (all.candidates.find(({ name }) => name === decision.provider) ?? null) : null;
}

describe('now', () => {
  // The one promise this service exists for.
  test('mail goes at once while any provider is up, free and able, and not to a worse one', () => {
    check(
      fc.property(dueInput, fc.nat(), oneOf(['up', 'ramping']), (some, where, state) => {
        const fresh = candidate('fresh', { state });
        const all = withCandidate(some, fresh, where);
        fc.pre(unknowns(all) < all.maxUnknown && !(all.onUnknown === 'hold' && inDoubt(all)));
        const chosen = chosenFrom(all, route(all));
        expect(chosen).not.toBeNull();
        if (chosen === null || chosen === fresh) return;
        expect(rests(chosen, now) || (chosen.state === 'suspect' && !chosen.trial)).toBe(false);
        if (asksAgain(all, chosen)) return;
        expect(attemptsAt(all, chosen.name)).toEqual([]);
        expect(all.candidates.indexOf(chosen)).toBeLessThan(all.candidates.indexOf(fresh));
      }),
      5_000,
    );
  });

  test('while all rest, mail is still tried: on one that is free', () => {
    check(
      fc.property(dueInput, fc.nat(), (some, where) => {
        const resting = some.candidates.filter((one) => rests(one, now) || !open(some, one));
        const all = withCandidate({ ...some, candidates: resting }, candidate('fresh', { state: 'down' }), where);
        fc.pre(unknowns(all) < all.maxUnknown && !(all.onUnknown === 'hold' && inDoubt(all)));
        expect(route(all)).toMatchObject({ do: 'send', probe: true });
      }),
    );
  });
});

describe('never', () => {
  test('after it has expired, before it is due, to a busy one, or to one that must not have it', () => {
    check(
      fc.property(anyInput, (all) => {
        const decision = route(all);
        const chosen = chosenFrom(all, decision);
        expect(decision.do === 'send').toBe(chosen !== null);
        if (chosen === null) return;
        expect(all.notBefore).toBeLessThanOrEqual(now);
        expect(all.expiresAt).toBeGreaterThan(now);
        expect(chosen.busyUntil).toBeLessThanOrEqual(now);
        expect(open(all, chosen)).toBe(true);
        expect(unknowns(all)).toBeLessThan(all.maxUnknown);
      }),
      5_000,
    );
  });

  test('to a resting one while another does not rest', () => {
    check(
      fc.property(dueInput, (all) => {
        const chosen = chosenFrom(all, route(all));
        if (chosen === null || !rests(chosen, now)) return;
        const awake = all.candidates.filter((one) => open(all, one) && !rests(one, now));
        expect(awake).toEqual([]);
      }),
      5_000,
    );
  });

  test('on a hold stream once somebody may have it, except to ask that one again with the same key', () => {
    check(
      fc.property(dueInput, fc.nat(), (some, where) => {
        const all = withCandidate({ ...some, onUnknown: 'hold' }, candidate('fresh'), where);
        fc.pre(inDoubt(all));
        const decision = route(all);
        const chosen = chosenFrom(all, decision);
        if (chosen !== null) expect(asksAgain(all, chosen)).toBe(true);
        // With nobody to ask it is an operator's turn, at once.
        if (!all.candidates.some((one) => asksAgain(all, one)))
          expect(decision).toMatchObject({ do: 'end', status: 'held' });
      }),
      5_000,
    );
  });

  test('as a trickle to a healthy one, nor as plain mail to one under test', () => {
    check(
      fc.property(dueInput, (all) => {
        const decision = route(all);
        const chosen = chosenFrom(all, decision);
        if (decision.do !== 'send' || chosen === null) return;
        const tests = ['probing', 'down', 'suspended', ...(chosen.trial ? ['suspect'] : [])];
        if (chosen.state !== 'suspect' || attemptsAt(all, chosen.name).length === 0)
          expect(decision.probe).toBe(tests.includes(chosen.state));
      }),
    );
  });
});

describe('a wait', () => {
  test('is exactly long enough', () => {
    const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    check(
      fc.property(fc.oneof(dueInput, restingInput), fc.array(share, { maxLength: 4 }), (all, shares) => {
        const decision = route(all);
        if (decision.do !== 'wait') return;
        const { until } = decision;
        expect(until).toBeGreaterThan(now);
        expect(until).toBeLessThanOrEqual(all.expiresAt);
        // Wherever something about the case changes on the way, and anywhere else.
        const turns = all.candidates.flatMap(({ until: end, busyUntil }) => [end ?? now, busyUntil]);
        const moments = [
          until - 1,
          ...turns.flatMap((at) => [at - 1, at, at + 1]),
          ...shares.map((part) => Math.floor(now + part * (until - now))),
        ];
        for (const at of moments.filter((moment) => moment > now && moment < until))
          expect(route({ ...all, now: at }), `${at - now} ms on`).toEqual(decision);
        const then = route({ ...all, now: until });
        expect(then).toMatchObject(until === all.expiresAt ? { do: 'end', status: 'expired' } : { do: 'send' });
      }),
      6_000,
    );
  });

  test('for its time ends then, or when it expires', () => {
    check(
      fc.property(anyInput, fc.integer({ min: 1, max: 1_000_000 }), (some, ahead) => {
        const all = { ...some, notBefore: now + ahead };
        fc.pre(all.expiresAt > now);
        expect(route(all)).toMatchObject({ do: 'wait', until: Math.min(now + ahead, all.expiresAt) });
      }),
      500,
    );
  });
});

describe('the order of the list', () => {
  test('decides between two that are alike', () => {
    check(
      fc.property(dueInput, fc.nat(), (all, which) => {
        const untried = all.candidates.filter(({ name }) => attemptsAt(all, name).length === 0);
        fc.pre(untried.length > 0);
        const one = untried[which % untried.length]!;
        const twin = { ...one, name: 'twin' };
        const place = all.candidates.indexOf(one);
        const before = route(all);
        const decision = route(withCandidate(all, twin, place + 1));
        // `why` may name it; what is done stays the same.
        expect({ ...decision, why: '' }).toEqual({ ...before, why: '' });
        const swapped = route(withCandidate(all, twin, place));
        const expected =
          before.do === 'send' && before.provider === one.name ? { ...before, provider: 'twin' } : before;
        expect({ ...swapped, why: '' }).toEqual({ ...expected, why: '' });
      }),
    );
  });
});

describe('the decision', () => {
  test('depends on nothing but its input, which it leaves alone', () => {
    check(
      fc.property(anyInput, (all) => {
        expect(route(all)).toEqual(route(frozen(structuredClone(all))));
      }),
    );
  });

  test('ends with a reason for whoever reads it', () => {
    check(
      fc.property(anyInput, (all) => {
        const decision = route(all);
        if (decision.do === 'end') expect(decision.reason).not.toBe('');
        if (decision.do === 'wait') expect(decision.why).not.toBe('');
      }),
    );
  });
});
