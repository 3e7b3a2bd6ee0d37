/** What happens to the Index's files: two processes, kills, damage, older and newer schemas, full and read-only disks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nameKey, relPath } from '../../src/model/brands.ts';
import { VaultError } from '../../src/model/errors.ts';
import type { UploadSubject } from '../../src/model/ports.ts';
import { SCHEMA_VERSION, indexFile } from '../../src/state/database.ts';
import { openJournals } from '../../src/state/journals.ts';
import { openIndex, readIndex } from '../../src/state/open-index.ts';
import { openSpool } from '../../src/state/spool.ts';
import { openSql } from '../../src/state/sql.ts';
import { record } from '../contract/index.ts';

const MODULE = new URL('../../src/state/open-index.ts', import.meta.url).href;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 's3vault-state-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A process that opens the Index, runs `code` with it as `index`, and says `ready` when it has it. */
async function other(
  code: string,
): Promise<{ child: ChildProcess; said: () => string; ended: Promise<number | null> }> {
  const script = `import { openIndex } from ${JSON.stringify(MODULE)};
    const index = await openIndex({ folder: ${JSON.stringify(folder)} });
    process.stdout.write('ready\\n');
    ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', (code_) => resolve(code_)));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString();
      if (said.includes('ready')) resolve();
    });
    void ended.then(() => reject(new Error(`it ended: ${said}`)));
  });
  return { child, said: () => said, ended };
}

test('a second process is refused with exit 7 and told who holds it; after kill -9 it is free [LOCK-1]', async () => {
  const { child, ended } = await other('process.stdin.resume();');
  const refused = await openIndex({ folder }).catch((thrown: unknown) => thrown);
  expect(refused).toBeInstanceOf(VaultError);
  expect(refused).toMatchObject({ kind: 'held', exit: 7, message: `process ${child.pid} holds this vault` });
  // Looking is allowed meanwhile.
  const view = await readIndex({ folder });
  expect(view?.count().files).toBe(0);
  view?.close();
  child.kill('SIGKILL');
  await ended;
  (await openIndex({ folder })).close();
});

test('a process killed while it commits leaves whole batches only', async () => {
  for (let round = 0; round < 4; round++) {
    const { child, said, ended } = await other(`
      const record = (n, i) => ({ key: n + '-' + i, path: n + '-' + i, kind: 'file', size: 1, mtime: 1, ctime: 1, inode: 1, mode: 1,
        etag: 'e', storedSize: 1, modeFingerprint: 'm', seenAt: 1 });
      for (let n = ${round * 1_000_000}; ; n++) {
        index.commit(Array.from({ length: 20 }, (_, i) => ({ kind: 'put', record: record(n, i) })));
        process.stdout.write(n + '\\n');
        if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }`);
    await new Promise<void>((resolve) =>
      child.stdout?.on('data', () => said().length > 300 + round * 97 && resolve()),
    );
    child.kill('SIGKILL');
    await ended;
    const index = await openIndex({ folder });
    expect(index.count().files % 20).toBe(0);
    // What was said to be committed is there.
    const last = said().trim().split('\n').at(-2) ?? '';
    expect(index.get(nameKey(`${last}-19`))).toBeDefined();
    index.close();
  }
}, 30_000);

test('files are for the user alone', async () => {
  (await openIndex({ folder: join(folder, 'new') })).close();
  expect(statSync(join(folder, 'new')).mode & 0o777).toBe(0o700);
  for (const name of readdirSync(join(folder, 'new')))
    expect(statSync(join(folder, 'new', name)).mode & 0o077).toBe(0);
});

test('an Index of schema 1 is brought to the newest, and can be looked at before', async () => {
  const index = await openIndex({ folder });
  index.commit([{ kind: 'put', record: record('kept') }]);
  index.close();
  const old = new DatabaseSync(indexFile(folder));
  old.exec(`DROP TABLE intents; ALTER TABLE records DROP COLUMN received; DROP TABLE spool; DROP TABLE spool_lines; DROP TABLE history;
    DROP TABLE history_lines; DROP TABLE left_out; DROP TABLE refused;
    CREATE TABLE spool (seq INTEGER PRIMARY KEY, line TEXT NOT NULL); INSERT INTO spool (line) VALUES ('of a run before');
    PRAGMA user_version = 1;`);
  old.close();
  const view = await readIndex({ folder });
  expect(view?.count().files).toBe(1);
  expect(view?.leftOut().all()).toEqual([]);
  expect([view?.refused().count(), view?.refused().all()]).toEqual([0, []]);
  expect(view?.get(nameKey('kept'))).toEqual({ ...record('kept'), received: undefined });
  view?.close();
  const migrated = await openIndex({ folder });
  expect(migrated.get(nameKey('kept'))).toEqual({ ...record('kept'), received: undefined });
  expect(migrated.intents().all()).toEqual([]);
  expect(migrated.spool().count).toBe(0);
  expect(migrated.history().last).toBe(0);
  expect(migrated.leftOut().all()).toEqual([]);
  expect(migrated.refused().all()).toEqual([]);
  migrated.close();
  const after = new DatabaseSync(indexFile(folder));
  expect(after.prepare('PRAGMA user_version').get()).toEqual({ user_version: SCHEMA_VERSION });
  after.close();
});

test('what was left out under schema 6 is kept as far as it says, and can be looked at before', async () => {
  (await openIndex({ folder })).close();
  const old = new DatabaseSync(indexFile(folder));
  old.exec(`DROP TABLE refused; ALTER TABLE left_out DROP COLUMN ctime; ALTER TABLE left_out DROP COLUMN mode;
    INSERT INTO left_out (key, path, kind, size, mtime) VALUES ('f', 'f', 'put', 3, 1.5); PRAGMA user_version = 6;`);
  old.close();
  const f = { key: nameKey('f'), path: relPath('f'), kind: 'put' as const };
  const known = { ...f, local: { size: 3, mtime: 1.5 } };
  const view = await readIndex({ folder });
  expect(view?.leftOut().all()).toEqual([known]);
  view?.close();
  const index = await openIndex({ folder });
  expect(index.leftOut().all()).toEqual([known]);
  const more = { ...f, local: { ...known.local, ctime: 2.5, mode: 0o100600 } };
  index.leftOut().put(more);
  expect(index.leftOut().all()).toEqual([more]);
  index.close();
});

test('an Index of a newer s3vault is refused and left as it is', async () => {
  (await openIndex({ folder })).close();
  const newer = new DatabaseSync(indexFile(folder));
  newer.exec('PRAGMA user_version = 99');
  newer.close();
  const before = readFileSync(indexFile(folder));
  await expect(openIndex({ folder })).rejects.toMatchObject({
    code: 'index-newer',
    exit: 2,
    hint: 'update s3vault on this machine',
  });
  expect(readFileSync(indexFile(folder)).equals(before)).toBe(true);
  // And the lock is free again.
  await expect(openIndex({ folder })).rejects.toMatchObject({ code: 'index-newer' });
});

test.each([
  'not a database',
  '',
])('a damaged Index is set aside, never overwritten, and begun anew (%j)', async (text) => {
  const file = indexFile(folder);
  mkdirSync(folder, { recursive: true });
  const rubbish = text === '' ? Buffer.alloc(8192, 0xff) : Buffer.from(text.repeat(200));
  writeFileSync(file, rubbish);
  const index = await openIndex({ folder });
  expect(index.count().files).toBe(0);
  index.commit([{ kind: 'put', record: record('new') }]);
  index.close();
  expect(readFileSync(`${file}.damaged-1`).equals(rubbish)).toBe(true);
});

test('a full disk is said so, and nothing half is kept', async () => {
  const index = await openIndex({ folder });
  index.commit([{ kind: 'put', record: record('first') }]);
  index.close();
  // The database's own limit stands in for the disk's: the same SQLITE_FULL.
  const tight = new DatabaseSync(indexFile(folder));
  const pages = Number(tight.prepare('PRAGMA page_count').get()?.['page_count']);
  tight.exec(`PRAGMA max_page_count = ${pages}`);
  const sql = openSql(tight, folder);
  const full = { kind: 'usage', code: 'state-full', message: `no room left for the Index: ${folder}` };
  const fill = (write: (n: number) => void) => () => {
    for (let n = 0; n < 10_000; n++) write(n);
  };
  const subject = { key: nameKey('big'), path: 'big', wrapped: 'x'.repeat(500) } as unknown as UploadSubject;
  const journal = openJournals(sql).create(subject);
  const fits = (thrown: () => void) => expect(thrown).toThrow(expect.objectContaining(full));
  fits(fill((n) => journal.sending(n, 'x'.repeat(500))));
  const line = { key: nameKey('a'), find: 'a', line: 'x'.repeat(500) };
  fits(() => openSpool(sql).push(Array.from({ length: 10_000 }, () => line)));
  // A transaction that found no room is rolled back and does not stand in the way of the next.
  fits(() => sql.transaction(fill((n) => journal.sending(n, 'x'.repeat(500)))));
  journal.ended();
  sql.close();
  const again = await openIndex({ folder });
  expect(again.count().files).toBe(1);
  again.close();
});

test('a folder that cannot be made is said so', async () => {
  writeFileSync(join(folder, 'file'), '');
  await expect(openIndex({ folder: join(folder, 'file', 'state') })).rejects.toMatchObject({
    code: 'state-unwritable',
  });
});

test('where there is no Index there is nothing to look at', async () => {
  expect(await readIndex({ folder: join(folder, 'none') })).toBeUndefined();
});
