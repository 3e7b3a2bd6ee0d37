/** The tree of a real vault on the embedded server, while its engine holds it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type OpenBrowser, openBrowser } from '../../src/cli/browser.ts';
import { placeOfVault } from '../../src/cli/place.ts';
import { postureDesk } from '../../src/cli/posture.ts';
import { places } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { vaultId } from '../../src/model/brands.ts';
import type { BrowseLine, RestoreProgress } from '../../src/model/browser.ts';
import type { KeyMaterial } from '../../src/model/keyref.ts';
import { Secret } from '../../src/model/secret.ts';
import type { Vault } from '../../src/model/vault.ts';
import { vaultConflicts } from '../../src/vaults/conflicts.ts';
import { type OpenVault, openVault } from '../../src/vaults/open.ts';
import type { OpenOptions } from '../../src/vaults/options.ts';
import { gather } from '../support/facts.ts';

let home: string;
let root: string;
let server: EmbeddedServer;
let vault: Vault;
let options: OpenOptions;
let open: OpenVault;
let ended: Promise<unknown>;
let browser: OpenBrowser;

const material = (): KeyMaterial => ({
  kind: 'aes-256',
  fingerprint: 'f'.repeat(16),
  secret: Secret.take(Buffer.alloc(32, 7)),
});
const write = (path: string, text: string): void => {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
};

/** Resolves when everything is in step. */
const inStep = (): Promise<void> =>
  new Promise((resolve) => {
    const off = open.engine.subscribe((event) => {
      if (event.event !== 'idle') return;
      off();
      resolve();
    });
  });

const COPY = 'notes/meeting (conflict laptop 2026-11-24 12-04-29).md';

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 's3vault-browser-'));
  root = join(home, 'files');
  mkdirSync(root);
  server = await startEmbedded({});
  server.createBucket('bucket', { versioning: true });
  const caBundle = join(home, 'ca.pem');
  writeFileSync(caBundle, server.caPem);
  const { url: endpoint, region, credentials } = server;
  vault = {
    id: vaultId('00000000-0000-4000-8000-0000000b0b0b'),
    root,
    remote: { bucket: 'bucket', prefix: 'p/', endpoint, region, caBundle },
    mode: { kind: 'client', key: { kind: 'stored', name: 'k' } },
    keyStore: 'file',
    direction: 'push',
    rules: { removals: true, include: [], exclude: [] },
  };
  const env = {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  options = {
    env,
    places: places({ S3VAULT_HOME: join(home, 'home') }),
    once: false,
    consent: true,
    acceptSource: false,
    checkRemote: false,
    keyStore: 'file',
    keys: {},
  };
  write('a.txt', 'seven b');
  write('notes/meeting.md', 'minutes');
  write(COPY, 'other minutes');
  write('notes/deep/x', 'x');
  open = await openVault(vault, { ...options, material: material() });
  const first = inStep();
  ended = open.run();
  await first;
  browser = openBrowser(
    async () => placeOfVault(vault, [], {}),
    async () => ({ ...options, material: material() }),
  );
});
afterEach(async () => {
  await browser.close();
  open.engine.command({ command: 'stop' });
  await ended;
  await server.close();
  rmSync(home, { recursive: true, force: true });
});

const named = (line: BrowseLine): string =>
  line.kind === 'folder' ? line.path : `${line.path} ${line.bytes}${line.removed ? ' removed' : ''}`;
const list = async (folder: string, removed = false): Promise<string[]> =>
  (await gather(browser.list(folder, { removed }))).flat().map(named);

test('lists folders with sizes of plaintext, restores beside what is held, and brings removed files back', async () => {
  expect(await list('')).toEqual(['a.txt 7', 'notes/']);
  expect(await list('notes/')).toEqual(['notes/deep/', `${COPY} 13`, 'notes/meeting.md 7']);

  const told: RestoreProgress[] = [];
  const out = join(home, 'out');
  const end = await browser.restore({ path: 'notes/', out }, (progress) => told.push(progress));
  expect(end).toMatchObject({ out, files: 3, bytes: 21, failed: 0, whole: true, stopped: false });
  expect(readFileSync(join(out, 'notes/meeting.md'), 'utf8')).toBe('minutes');

  const again = inStep();
  unlinkSync(join(root, 'a.txt'));
  open.engine.command({ command: 'rescan' });
  await again;
  expect(await list('')).toEqual(['notes/']);
  expect(await list('', true)).toEqual(['a.txt 7 removed', 'notes/']);
  const versions = await browser.versions('a.txt');
  expect(versions.map(({ marker, bytes, latest }) => [marker, bytes, latest])).toEqual([
    [true, 0, true],
    [false, 7, false],
  ]);
  const old = await browser.restore(
    { path: 'a.txt', versionId: versions[1]?.versionId, out },
    () => undefined,
  );
  expect(old).toMatchObject({ files: 1, whole: true });
  expect(readFileSync(join(out, 'a.txt'), 'utf8')).toBe('seven b');
  await browser.undelete('a.txt');
  expect(await list('')).toEqual(['a.txt 7', 'notes/']);
  await expect(browser.undelete('a.txt')).rejects.toMatchObject({ code: 'not-removed' });
}, 60_000);

test('what cannot be restored says why, and what is called off is stopped', async () => {
  const nothing = await browser.restore({ path: 'nope', out: join(home, 'out') }, () => undefined);
  expect(nothing).toMatchObject({ files: 0, whole: false });
  expect(nothing.problems.length).toBeGreaterThan(0);
  await expect(browser.restore({ path: 'a.txt', out: ' ' }, () => undefined)).rejects.toMatchObject({
    code: 'no-target',
  });
  const signal = AbortSignal.abort();
  const stopped = await browser.restore({ path: '', out: join(home, 'out') }, () => undefined, { signal });
  expect(stopped).toMatchObject({ files: 0, whole: false, stopped: true });
}, 60_000);

test('what is under way when it is closed ends, and is told with the command that goes on', async () => {
  browser = openBrowser(
    async () => placeOfVault(vault, [], {}),
    async () => ({ ...options, material: material() }),
    root,
  );
  const out = join(home, 'out');
  const wish = { path: 'notes/', out };
  const going = browser.restore(wish, () => undefined);
  const [broken, ...others] = await browser.close();
  expect(others).toEqual([]);
  expect(broken).toEqual({ wish, end: await going, from: root });
  expect(broken?.end).toMatchObject({ stopped: true, whole: false });
  expect(await browser.close()).toEqual([]);
}, 60_000);

test('conflicts are found in the Index, and the posture of the bucket in its settings', async () => {
  const desk = vaultConflicts(vault, options.places);
  const [conflict, ...others] = await desk.list();
  expect(others).toEqual([]);
  expect(conflict).toMatchObject({ path: 'notes/meeting.md', copy: COPY, host: 'laptop' });
  expect([conflict?.mine.size, conflict?.theirs?.size]).toEqual([13, 7]);
  // Both are kept, and not asked about again by the next process; where that cannot be read, they are.
  if (conflict !== undefined) await desk.keepBoth(conflict);
  expect(await vaultConflicts(vault, options.places).list()).toEqual([]);
  const kept = join(options.places.state, 'vaults', vault.id, 'kept-both.json');
  expect(JSON.parse(readFileSync(kept, 'utf8'))).toEqual({ version: 1, copies: [COPY] });
  writeFileSync(kept, '{');
  expect(await desk.list()).toHaveLength(1);

  if (conflict !== undefined) await desk.keepMine(conflict);
  expect(readFileSync(join(root, 'notes/meeting.md'), 'utf8')).toBe('other minutes');
  expect(await desk.list()).toEqual([]);

  const marks = await postureDesk(vault, options.env).look();
  expect(marks.map(({ words }) => words)).toEqual(['plain HTTP let in', 'versioned', 'no lifecycle']);
}, 60_000);
