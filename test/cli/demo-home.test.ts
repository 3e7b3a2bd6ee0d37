import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeDemoHome, sweepDemoHomes } from '../../src/cli/demo-home.ts';

let parent: string;

beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 's3vault-sweep-'));
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

test('what a killed demo left goes; a running one, links and what is not its stay', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  const left = join(parent, `s3vault-demo-${pid}-aB3dE6`);
  mkdirSync(join(left, 'files'), { recursive: true });
  writeFileSync(join(left, 'files', 'a'), 'x');
  const mine = await makeDemoHome(parent);
  const kept = ['files', `s3vault-demo-${pid}-aB3dE6-mine`, 's3vault-demo-old'].map((name) =>
    join(parent, name),
  );
  for (const path of kept) mkdirSync(path);
  const link = join(parent, `s3vault-demo-${pid}-zzzzzz`);
  symlinkSync(kept[0] ?? '', link);

  await sweepDemoHomes(parent);
  expect(existsSync(left)).toBe(false);
  for (const path of [mine, link, ...kept]) expect(existsSync(path), path).toBe(true);
});
