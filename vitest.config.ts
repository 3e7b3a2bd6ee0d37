import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    // `npm run test:long` sets this: tests that take minutes.
    exclude: process.env['S3VAULT_TEST_LONG'] === '1' ? [] : ['test/long/**'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // Much of what the tests do is waiting for processes, so one more than there are processors in the smallest machine.
    maxWorkers: Math.max(3, availableParallelism()),
    reporters: ['default'],
  },
});
