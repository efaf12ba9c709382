import { configDefaults, defineConfig } from 'vitest/config';

// They mostly wait, for most of a minute and more: the scripts that are named after them ask for them.
const slow = [
  'test/crash/power.test.ts',
  'test/story/outage.test.ts',
  'test/story/crash.test.ts',
  'test/story/overload-flood.test.ts',
];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...(process.env.MAILOVER_SLOW ? [] : slow)],
    setupFiles: ['test/support/seed.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', './test/support/tally.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Most tests wait for something most of the time, so there may be more of them than processors.
    maxWorkers: 3,
  },
});
