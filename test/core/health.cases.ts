// Made-up cases for `judge`: a provider in any state, any settings, and evidence for and against it.
import fc from 'fast-check';
import type { Evidence } from '../../src/core/evidence.ts';
import type { Finding, FindingKind } from '../../src/core/findings.ts';
import type { Health, HealthSettings, HealthState, Surroundings } from '../../src/core/health.ts';
import { frozen, oneOf, outcomes, reasons, reasonsThatBlame, unsettled } from './support.ts';

/** Every case happens around this moment, epoch ms. */
export const now = 1_800_000_000_000;

/** Settings such as a service may have. Durations in ms. */
export const defaults: HealthSettings = frozen({
  window: 60_000,
  min_volume: 5,
  failure_share: 0.5,
  account_refusals: 1,
  rest: 30_000,
  max_rest: 900_000,
  probes: 3,
  settled_after: 600_000,
  ramp_dwell: 60_000,
  switches_per_hour: 3,
});

export const anySettings: fc.Arbitrary<HealthSettings> = fc
  .record({
    window: fc.integer({ min: 1, max: 120_000 }),
    min_volume: fc.integer({ min: 1, max: 20 }),
    failure_share: fc.double({ min: 0.01, max: 1, noNaN: true }),
    account_refusals: fc.integer({ min: 1, max: 4 }),
    rest: fc.integer({ min: 1, max: 120_000 }),
    max_rest: fc.integer({ min: 1, max: 1_000_000 }),
    probes: fc.integer({ min: 1, max: 5 }),
    settled_after: fc.integer({ min: 0, max: 1_000_000 }),
    ramp_dwell: fc.integer({ min: 1, max: 200_000 }),
    switches_per_hour: fc.integer({ min: 3, max: 20 }),
  })
  .map(frozen);

const states: readonly HealthState[] = ['up', 'suspect', 'down', 'suspended', 'probing', 'ramping', 'quarantined'];
/** The states in which new mail goes to a provider as a matter of course. */
export const carrying: readonly HealthState[] = ['up', 'ramping'];
/** The states in which it is judged by the share of hand-overs that fail. */
export const judged: readonly HealthState[] = [...carrying, 'suspect'];
/** The states in which it is left alone for a while. */
export const resting: readonly HealthState[] = ['down', 'suspended'];
/** The states that last until a given time, if nothing happens. */
export const timed: readonly HealthState[] = [...resting, 'suspect'];

/** A provider that came into `state` an hour ago, for a second more if it is for a time; `fields` say otherwise. */
export function health(state: HealthState, fields: Partial<Health> = {}): Health {
  const until = timed.includes(state) ? now + 1_000 : null;
  const fallen = state === 'up' || state === 'quarantined' ? null : state === 'suspect' ? 'silence' : 'errors';
  return frozen({
    state,
    epoch: 7,
    since: now - 3_600_000,
    until,
    reason: 'told before',
    falls: 0,
    fallen: state !== 'up' && state !== 'suspect' && state !== 'quarantined',
    cause: fallen,
    silentSince: null,
    step: 0,
    switches: [],
    ...fields,
  });
}

/** A finding of this kind, certain if it is a quiet one; `fields` say otherwise. */
export function finding(kind: FindingKind, fields: Partial<Finding> = {}): Finding {
  const quiet = quietKinds.includes(kind);
  return frozen({
    kind,
    score: quiet ? 12.5 : 0,
    since: quiet ? now - 90_000 : null,
    messages: quiet ? 40 : 0,
    groups: quiet ? 9 : 0,
    threshold: 7,
    proven: quiet,
    certain: quiet,
    usualMs: 4_000,
    tellingMs: 2_000,
    detail: quiet ? 'no news of 40 messages' : 'nothing is missing',
    ...fields,
  });
}

/** The findings that speak against a provider. */
export const quietKinds: readonly FindingKind[] = ['silent', 'partial', 'slow'];
/** The findings that do not. */
export const harmlessKinds: readonly FindingKind[] = ['blind', 'learning', 'fine', 'feedback_lost', 'recipient_delay'];

export const anyFinding: fc.Arbitrary<Finding> = fc
  .record({
    kind: oneOf([...quietKinds, ...harmlessKinds]),
    score: oneOf([0, 0.9, 1.9, 2, 3.4, 3.5, 6.9, 7, 9.9, 10, 12, 25]),
    since: fc.option(fc.nat({ max: 600_000 }).map((ms) => now - ms)),
    threshold: oneOf([5.5, 7, 8]),
    proven: fc.boolean(),
    certain: fc.boolean(),
  })
  .map(({ kind, ...some }) => finding(kind, some));

/** What is around a provider of which nothing is known; `fields` say otherwise. */
export function around(fields: Partial<Surroundings> = {}): Surroundings {
  return frozen({ finding: null, tally: null, alone: false, ...fields });
}

/** What has been accepted and confirmed under the present state. */
export const tallied = (taken: number, confirmed: number) => ({ taken, confirmed });

export function anyHealth(among: readonly HealthState[] = states): fc.Arbitrary<Health> {
  return fc
    .record({
      state: oneOf(among),
      epoch: fc.integer({ min: 1, max: 9 }),
      since: fc.nat({ max: 2_000_000 }).map((ms) => now - ms),
      rest: fc.option(fc.integer({ min: -10_000, max: 100_000 })),
      falls: fc.nat({ max: 40 }),
      step: fc.nat({ max: 2 }),
      silentSince: fc.option(fc.nat({ max: 600_000 }).map((ms) => now - ms)),
    })
    .map(({ rest, step, silentSince, ...some }) =>
      health(some.state, {
        ...some,
        until: timed.includes(some.state) && rest !== null ? now + rest : null,
        step: some.state === 'ramping' ? step : 0,
        silentSince: some.state === 'up' ? null : silentSince,
      }),
    );
}

/** `count` attempts that ended just now under the epoch of `health`; `fields` say otherwise. */
export function cell(count: number, fields: Partial<Evidence> = {}): Evidence {
  const outcome = fields.outcome ?? 'failed';
  return {
    at: now,
    epoch: 7,
    outcome,
    reason: outcome === 'accepted' ? null : 'timeout',
    count,
    ...fields,
  };
}

export const accepted = (count: number, fields: Partial<Evidence> = {}) =>
  cell(count, { outcome: 'accepted', ...fields });
export const accountRefused = (count: number, fields: Partial<Evidence> = {}) =>
  cell(count, { outcome: 'refused', reason: 'invalid_credentials', ...fields });

/** Cells that count for `of` under `settings`: of its epoch, and within the window. */
export function cellsFor(of: Health, { window }: HealthSettings, kinds = anyKind): fc.Arbitrary<Evidence[]> {
  const age = fc.oneof(oneOf([0, window - 1]), fc.nat({ max: window - 1 }));
  const one = fc.record({ age, kind: kinds, count: fc.integer({ min: 1, max: 12 }) });
  return fc
    .array(one, { maxLength: 8 })
    .map((some) => some.map(({ age: ms, kind, count }) => cell(count, { at: now - ms, epoch: of.epoch, ...kind })));
}

type Kind = Pick<Evidence, 'outcome' | 'reason'>;

/** Any outcome with any reason that can come with it. */
export const anyKind: fc.Arbitrary<Kind> = fc
  .record({ outcome: oneOf([...outcomes, 'accepted', 'failed']), reason: oneOf(reasons) })
  .map(({ outcome, reason }) => ({ outcome, reason: outcome === 'accepted' ? null : reason }));

/** What bad messages, throttling and our own crashes leave behind. */
export const harmless: fc.Arbitrary<Kind> = fc.oneof(
  fc.record({ outcome: fc.constant('rejected' as const), reason: oneOf(reasons) }),
  fc.record({ outcome: oneOf(unsettled), reason: oneOf(reasonsThatBlame('none', 'throttle')) }),
);

/** The provider's own trouble, short of a refused account. */
export const troubled: fc.Arbitrary<Kind> = fc.record({
  outcome: oneOf(unsettled),
  reason: oneOf(reasonsThatBlame('provider')),
});

/** Our account there is refused. */
export const accountTrouble: fc.Arbitrary<Kind> = fc.record({
  outcome: oneOf(unsettled),
  reason: oneOf(reasonsThatBlame('account')),
});

/** Health, settings and evidence that counts for it. */
export function anyCase(
  among: readonly HealthState[] = states,
  kinds = anyKind,
): fc.Arbitrary<{ health: Health; settings: HealthSettings; evidence: Evidence[] }> {
  return fc
    .tuple(anyHealth(among), anySettings)
    .chain(([of, settings]) =>
      cellsFor(of, settings, kinds).map((evidence) => frozen({ health: of, settings, evidence })),
    );
}
