/** Many removals taken back at once, by the built program on the embedded server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FaultRule } from '../../src/embedded/faults.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { Machine } from './harness.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];

describe('undelete of many', () => {
  let server: EmbeddedServer;
  let folder: string;
  let machine: Machine;
  let bucket: string;
  let count = 0;
  const faults: { remove(): void }[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-undelete-'));
    server = await startEmbedded();
    writeFileSync(join(folder, 'ca.pem'), server.caPem);
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  /** A vault whose files were all removed. */
  beforeEach(async () => {
    bucket = `undelete-${++count}`;
    server.createBucket(bucket, { versioning: true });
    machine = new Machine({
      endpoint: server.url,
      caFile: join(folder, 'ca.pem'),
      ...server.credentials,
      region: server.region,
    });
    for (const name of NAMES) machine.write(`gone/${name}`, name);
    machine.write('stays', 'stays');
    const sync = ['sync', machine.root, '--once', '--to', `s3://${bucket}/docs`];
    const own = [...machine.remoteArgs, ...machine.keyArgs];
    expect((await machine.run([...sync, ...own])).code).toBe(0);
    rmSync(join(machine.root, 'gone'), { recursive: true });
    expect((await machine.run([...sync, ...own, '--delete', '--yes'])).code).toBe(0);
    expect(stand()).toEqual(['stays']);
  });
  afterEach(() => {
    for (const fault of faults.splice(0)) fault.remove();
    machine.remove();
  });

  /** Paths that have content now. */
  const stand = (): string[] =>
    ['stays', ...NAMES.map((name) => `gone/${name}`)].filter((name) =>
      server.keys(bucket).includes(`docs/${name}`),
    );
  const fail = (rule: FaultRule): void => void faults.push(server.faults.add(rule));
  const undelete = (...args: string[]) =>
    machine.run([
      'undelete',
      ...args.map((name) => (name.startsWith('-') ? name : join(machine.root, name))),
    ]);

  /** One removal may not be taken back, and a copy is refused, too: its name is taken by now. */
  function takeName(name: string): void {
    const key = `docs/${name}`;
    fail({
      match: (request) => request.key === key && request.method === 'DELETE',
      fault: { kind: 'status', status: 403, code: 'AccessDenied', message: 'no s3:DeleteObjectVersion' },
    });
    fail({
      match: (request) => request.key === key && request.method === 'PUT',
      fault: { kind: 'status', status: 412, code: 'PreconditionFailed', message: 'it is there' },
    });
  }

  test('one that cannot come back holds no other one back: exit 3, and a summary', async () => {
    takeName('gone/b');
    const back = await undelete('gone', '--yes', '--json');
    expect(stand()).toEqual(['stays', 'gone/a', 'gone/c', 'gone/d', 'gone/e']);
    expect(back.code).toBe(3);
    expect(back.lines.filter(({ event }) => event === 'undeleted').map(({ path }) => path)).toEqual([
      'gone/a',
      'gone/c',
      'gone/d',
      'gone/e',
    ]);
    expect(back.lines.filter(({ event }) => event === 'warning')).toMatchObject([
      { path: 'gone/b', code: 'precondition', message: expect.stringContaining('gone/b') },
    ]);
    expect(back.lines.at(-1)).toMatchObject({ event: 'summary', files: 4, failed: 1, exit: 3 });
  }, 60_000);

  test('as people read it', async () => {
    takeName('gone/b');
    const back = await undelete('gone', 'gone/c', '--yes');
    expect(back.stdout).toBe(
      '↑ gone/a  1 B\n↑ gone/c  1 B\n↑ gone/d  1 B\n↑ gone/e  1 B\n4 files brought back, 1 failed\n',
    );
    expect(back.stderr).toMatch(/^! .*gone\/b.*\n {2}\S/);
    expect(back.code).toBe(3);
    const again = await undelete('stays', '--json');
    expect(again.lines).toMatchObject([{ event: 'summary', files: 0, failed: 0, exit: 0 }]);
  }, 60_000);

  test('what concerns all of them ends it, with what was brought back in the summary', async () => {
    fail({
      match: ({ key }) => key === 'docs/gone/d',
      fault: { kind: 'expired-token' },
    });
    const back = await undelete('gone', '--yes', '--json');
    expect(back.code).toBe(4);
    expect(back.lines.filter(({ event }) => event === 'warning')).toMatchObject([
      { path: 'gone/d', code: 'credentials-expired' },
    ]);
    const { length } = back.lines.filter(({ event }) => event === 'undeleted');
    expect(length).toBe(stand().length - 1);
    expect(back.lines.at(-1)).toMatchObject({ event: 'summary', files: length, failed: 1, exit: 4 });
    expect(back.lines.filter(({ event }) => event === 'summary')).toHaveLength(1);
  }, 60_000);

  test('nobody agreed: nothing comes back', async () => {
    const none = await undelete('gone');
    expect(none.code).toBe(5);
    expect(none.stderr).toContain('5 files could come back');
    expect(stand()).toEqual(['stays']);
    expect((await undelete('gone/a')).stdout).toBe('↑ gone/a  1 B\n1 file brought back\n');
  }, 60_000);
});
