// What comes in together is written together: once, in order, and each gets its own result.
import { describe, expect, test } from 'vitest';
import { together } from '../../src/intake/together.ts';

describe('together', () => {
  test('one write for all of one turn, none waits for the next', async () => {
    const writes: (readonly number[])[] = [];
    const write = together(async (items: readonly number[]) => {
      writes.push(items);
      return items.map((item) => item * 10);
    }, 50);
    expect(await Promise.all([write(1), write(2), write(3)])).toEqual([10, 20, 30]);
    expect(await write(4)).toBe(40);
    expect(writes).toEqual([[1, 2, 3], [4]]);
  });

  test('never more than so many at a time', async () => {
    const sizes: number[] = [];
    const write = together(async (items: readonly number[]) => {
      sizes.push(items.length);
      return items;
    }, 3);
    const items = [1, 2, 3, 4, 5, 6, 7];
    expect(await Promise.all(items.map(write))).toEqual(items);
    expect(sizes).toEqual([3, 3, 1]);
  });

  test('a write that fails is told to those it was for, and to nobody else', async () => {
    const write = together(async (items: readonly number[]) => {
      if (items.includes(3)) throw new Error('the disk is full');
      return items;
    }, 2);
    const all = await Promise.allSettled([1, 2, 3, 4, 5].map(write));
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected', 'fulfilled']);
    expect(await write(6)).toBe(6);
  });
});
