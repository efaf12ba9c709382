// Whom an outcome blames, for every pair there is, and which of several outcomes is the gravest.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blame, gravest, outcomeFor } from '../../src/core/outcome.ts';
import { blames, check, oneOf, outcomes, reasons, unsettled } from './support.ts';

describe('blame', () => {
  test.each(unsettled)('%s: the reason decides', (outcome) => {
    expect(Object.fromEntries(reasons.map((reason) => [reason, blame(outcome, reason)]))).toEqual(blames);
  });

  test.each(['accepted', 'rejected'] as const)('%s: nobody, whatever the reason', (outcome) => {
    expect(new Set([...reasons, null].map((reason) => blame(outcome, reason)))).toEqual(new Set(['none']));
  });

  test.each(outcomes)('%s without a reason: nobody', (outcome) => expect(blame(outcome, null)).toBe('none'));
});

describe('gravest', () => {
  test('perhaps sent, then set aside, then refused, then failed', () => {
    const order = ['unknown', 'parked', 'refused', 'failed'] as const;
    check(
      fc.property(fc.array(oneOf(order)), (left) => {
        const worst = order.find((outcome) => left.includes(outcome)) ?? null;
        expect(gravest(left.map((outcome) => ({ outcome })))?.outcome ?? null).toBe(worst);
      }),
      500,
    );
  });

  test('of two alike the first, with all it carries', () => {
    const left = [
      { outcome: 'failed', reason: 'timeout' },
      { outcome: 'refused', reason: 'too_large' },
      { outcome: 'refused', reason: 'plan_required' },
    ] as const;
    expect(gravest(left)).toBe(left[1]);
  });
});

describe('outcomeFor', () => {
  const bad = {
    address: 'b@example.com',
    outcome: 'rejected',
    reason: 'recipient_invalid',
    detail: 'no such box',
  } as const;
  const result = { outcome: 'failed', reason: 'timeout', detail: 'slow', recipients: [bad] } as const;

  test('its own where it has one', () => expect(outcomeFor(result, 'b@example.com')).toBe(bad));
  test('else that of the whole', () => {
    expect(outcomeFor(result, 'a@example.com')).toBe(result);
    const { recipients: _, ...alone } = result;
    expect(outcomeFor(alone, 'b@example.com')).toBe(alone);
  });
});
