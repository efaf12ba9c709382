// Which errors say that the store is away, and after which of them a write may stand nevertheless.
import { expect, test } from 'vitest';
import { isAway, isUntouched } from '../../src/store/away.ts';

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'. (script mailover_accept)", true],
  ['LOADING Redis is loading the dataset in memory', true],
  ['MISCONF Errors writing to the AOF file: No space left on device', true],
  ["Stream isn't writeable and enableOfflineQueue options is false (script mailover_accept)", true],
  ['Command timed out', false],
  ['Connection is closed.', false],
  ['read ECONNRESET', false],
  [
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    false,
  ],
  ['NOREPLICAS 0 of 1 replicas (redis.wait_replicas) had the mail within 1000 ms', false],
])('%s: nothing was written? %s', (message, untouched) => {
  expect(isAway(new Error(message))).toBe(true);
  expect(isUntouched(new Error(message))).toBe(untouched);
});

test('a fault of ours is not the store being away', () => {
  expect(isAway(new Error('ERR wrong number of arguments'))).toBe(false);
  expect(isUntouched(new Error('ERR wrong number of arguments'))).toBe(false);
});
