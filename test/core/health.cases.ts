// Made-up cases for `judge`: a provider in any state, any settings, and evidence for and against it.
import fc from 'fast-check';
import type { Evidence, Health, HealthSettings, HealthState } from '../../src/core/health.ts';
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
  })
  .map(frozen);

const states: readonly HealthState[] = ['up', 'suspect', 'down', 'suspended', 'probing', 'ramping', 'quarantined'];
/** The states in which a provider carries mail. */
export const carrying: readonly HealthState[] = ['up', 'suspect', 'ramping'];
/** The states in which it is left alone for a while. */
export const resting: readonly HealthState[] = ['down', 'suspended'];

/** A provider that came into `state` an hour ago, and rests for a second more if it rests; `fields` say otherwise. */
export function health(state: HealthState, fields: Partial<Health> = {}): Health {
  const until = resting.includes(state) ? now + 1_000 : null;
  return frozen({ state, epoch: 7, since: now - 3_600_000, until, reason: 'told before', falls: 0, ...fields });
}

export function anyHealth(among: readonly HealthState[] = states): fc.Arbitrary<Health> {
  return fc
    .record({
      state: oneOf(among),
      epoch: fc.integer({ min: 1, max: 9 }),
      since: fc.nat({ max: 2_000_000 }).map((ms) => now - ms),
      rest: fc.option(fc.integer({ min: -10_000, max: 100_000 })),
      falls: fc.nat({ max: 40 }),
    })
    .map(({ rest, ...some }) =>
      health(some.state, { ...some, until: resting.includes(some.state) && rest !== null ? now + rest : null }),
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
