// What takes minutes and the registry: the package as somebody installs it, and the image's steps. `npm run test:ship`
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/ship/**/*.ship.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 600_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
