import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/build-once.ts'],
    setupFiles: ['test/helpers/property-seed.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    // Real servers share two cores in CI, and most tests wait most of their time: three files run side by side.
    maxWorkers: 3,
    pool: 'forks',
  },
});
