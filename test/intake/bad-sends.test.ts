// The refusals, in bulk: thousands of sends with one thing wrong each, and the good ones they were made from.
import { describe, expect, it } from 'vitest';
import { toDraft } from '../../src/intake/draft.ts';
import { type BadSend, badSends, goodSend } from '../support/bad-sends.ts';
import { rules } from './rules.ts';

/** The body as the service would see it; undefined when the raw text is no JSON at all. */
function received({ body }: BadSend): { readonly json: unknown } | null {
  try {
    return { json: JSON.parse(typeof body === 'string' ? body : JSON.stringify(body)) };
  } catch {
    return null;
  }
}

describe('bad sends', () => {
  const bad = badSends(1, 2_000);

  it('come from sends that are good but for one thing', () => {
    for (let seed = 0; seed < 200; seed += 1) {
      const result = toDraft(goodSend(seed), rules());
      expect(result.ok ? [] : result.faults).toEqual([]);
    }
  });

  it('are all different, of many kinds, and the same again for the same seed', () => {
    const texts = bad.map(({ body }) => (typeof body === 'string' ? `raw ${body}` : JSON.stringify(body)));
    expect(new Set(texts).size).toBe(2_000);
    expect(new Set(bad.map(({ why }) => why.split(':')[0])).size).toBeGreaterThan(30);
    expect(badSends(1, 2_000)).toEqual(bad);
    expect(badSends(2, 50)).not.toEqual(bad.slice(0, 50));
  });

  it('are all refused, with a place and a mend for each fault', () => {
    for (const send of [...bad, ...badSends(20_261_105, 2_000)]) {
      const seen = received(send);
      if (seen === null) {
        expect(typeof send.body, send.why).toBe('string');
        continue;
      }
      const result = toDraft(seen.json, rules());
      if (result.ok) throw new Error(`accepted: ${send.why}`);
      expect(result.faults.length, send.why).toBeGreaterThan(0);
      expect(result.faults.length, send.why).toBeLessThan(102);
      for (const { path, message } of result.faults) {
        expect(message, send.why).toMatch(/^(is|has|holds|begins|opens|goes|key is) [^\p{Control}]{5,400}\.$/u);
        expect(path, send.why).toMatch(/^[^\p{Control}]{0,600}$/u);
      }
    }
  });
});
