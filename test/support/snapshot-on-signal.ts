/** Loaded into a process of the built program by a test: on SIGUSR2 it writes down what that process still holds. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeHeapSnapshot } from 'node:v8';
import { writeLiveBuffers } from './live-buffers.ts';

const folder = process.env['S3VAULT_TEST_SNAPSHOT'] ?? '';

process.on('SIGUSR2', () => {
  const collect = (globalThis as { gc?: () => void }).gc;
  collect?.();
  void writeLiveBuffers(join(folder, 'live.buffers')).then(() => {
    collect?.();
    writeHeapSnapshot(join(folder, 'live.heapsnapshot'));
    writeFileSync(join(folder, 'done'), '');
  });
});
