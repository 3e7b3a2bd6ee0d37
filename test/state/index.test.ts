import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryIndex, openIndex } from '../../src/state/open-index.ts';
import { indexContract } from '../contract/index.ts';

indexContract('SQLite in memory', async () => {
  const index = await memoryIndex();
  return { index, again: async () => index, end: () => index.close() };
});

indexContract('SQLite on disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 's3vault-state-'));
  let index = await openIndex({ folder });
  return {
    index,
    again: async () => {
      index.close();
      index = await openIndex({ folder });
      return index;
    },
    end: () => {
      index.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
