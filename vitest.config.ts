import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest begins first, so that no processor waits at the end for a file that was begun last. */
const SLOW = [
  /e2e\/soak/,
  /e2e\/(restore|keys|daemon|rekey|rotate|kill|push)|test\/secrets\//,
  /e2e\/|-rgw/,
  /test\/s3\//,
];

const rank = ({ moduleId }: TestSpecification): number => {
  const at = SLOW.findIndex((pattern) => pattern.test(moduleId));
  return at === -1 ? SLOW.length : at;
};

class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

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
    sequence: { sequencer: SlowFirst },
    reporters: ['default'],
  },
});
