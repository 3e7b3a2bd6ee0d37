/** A vault with encrypted names, from the first object to another key, looked at by a client that knows nothing of it. */
import { renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { differences, facts, giveFacts } from './compare.ts';
import type { Ended, Machine } from './harness.ts';

export interface Ground {
  readonly client: S3Client;
  readonly bucket: string;
  readonly machine: Machine;
}

const LONG = 'n'.repeat(255);
const DEEP = `${Array.from({ length: 35 }, (_, at) => `level-${at}`).join('/')}/deep.txt`;
export const CUT = `${LONG}/${LONG}/in a long place`;
const NAMES = [
  'plain.txt',
  'docs/readme.md',
  'docs/sub/readme.md',
  'docs/Zoë 🏔 – letter.pdf',
  CUT,
  DEEP,
  LONG.slice(1),
];
/** Words of paths, here and in the mixed folder, that no sealed text is likely to have by chance. */
const WORDS = /plain|docs|readme|letter|nnnn|level|deep\.|folder|file|8MiB|xxxx/;

export const to = ({ bucket }: Ground): string => `s3://${bucket}/docs-vault`;

/** Keys by their names in files: quick, and several of them. */
export function keyArgs(on: Machine, ...names: readonly [name: string, key: Buffer][]): string[] {
  for (const [name, key] of [['laptop', on.key] as const, ...names])
    writeFileSync(join(on.home, `${name}.key`), key.toString('base64'), { mode: 0o600 });
  return ['--key-store', 'command', '--key-command', `cat ${join(on.home, '{name}.key')}`];
}

export function sync(ground: Ground, ...more: string[]): Promise<Ended> {
  const { machine } = ground;
  const place = ['--to', to(ground), ...machine.remoteArgs, ...keyArgs(machine)];
  return machine.run(['sync', machine.root, '--once', '--json', ...place, ...more]);
}

export function writeNamed(machine: Machine): void {
  for (const name of NAMES) machine.write(name, `content of ${name}`);
  machine.write('large', Buffer.alloc(9 * 2 ** 20, 3));
  symlinkSync('plain.txt', join(machine.root, 'docs', 'link'));
  giveFacts(machine.root);
}

/** Names of all objects behind the prefix, s3vault's own left out. */
export async function stored({ client, bucket }: Ground): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  return Contents.map(({ Key = '' }) => Key.replace(/^docs-vault\//, '')).filter(
    (key) => !key.startsWith('.s3vault/'),
  );
}

/** Metadata that is looked at beside that of cut names. */
const LOOKS = 20;

/**
 * No object says a word of a path: neither by its name nor by its metadata (under a customer's key: the machine's). Gives how many
 * have the rest of their name there.
 */
export async function namesNothing(client: S3Client, bucket: string, keyed?: Machine): Promise<number> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  const sse = keyed && {
    SSECustomerAlgorithm: 'AES256',
    SSECustomerKey: keyed.key.toString('base64'),
  };
  let cut = 0;
  for (const [n, { Key = '' }] of Contents.entries()) {
    if (Key.includes('/.s3vault/')) continue;
    const name = Key.replace(/^[^/]+\//, '');
    expect(name).toMatch(/^(_?[a-z2-7]{16,})(\/_?[a-z2-7]{16,})*$/);
    if (n >= LOOKS && !name.includes('_')) continue;
    const { Metadata = {} } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key, ...sse }));
    const { 's3vault-name': rest, ...others } = Metadata;
    expect(JSON.stringify(others)).not.toMatch(WORDS);
    if (rest === undefined) continue;
    expect(Buffer.from(rest, 'base64').toString('latin1')).not.toMatch(WORDS);
    expect(name).toContain('_');
    cut++;
  }
  return cut;
}

/** Seen and fetched by a machine that knows place and key only, with somebody else's object among them. */
export async function seenAndBack(ground: Ground, fresh: Machine): Promise<void> {
  const { machine, client, bucket } = ground;
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'docs-vault/theirs/notes.txt', Body: 'x' }));
  const place = ['--from', to(ground), '--key', 'laptop', ...fresh.remoteArgs, ...keyArgs(fresh)];
  const ls = await fresh.run(['ls', '--recursive', ...place]);
  expect(ls.stdout.split('\n').slice(0, -1)).toEqual(
    [...NAMES, 'large', 'docs/link'].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
  expect(ls.stderr).toContain('theirs/notes.txt');
  const out = join(fresh.home, 'out');
  const back = await fresh.run(['restore', '--out', out, '--json', ...place]);
  expect(back.code).toBe(3);
  expect(back.lines.filter(({ event }) => event === 'warning')).toMatchObject([{ code: 'bad-name' }]);
  expect(differences(machine.root, out)).toBe('');
  expect(facts(out)).toEqual(facts(machine.root));
  const verify = await machine.run(['verify', machine.root, '--deep', '100', '--json', ...keyArgs(machine)]);
  expect(verify.lines.filter(({ event }) => event === 'warning')).toMatchObject([
    { code: 'foreign-name', path: 'theirs/notes.txt' },
  ]);
  expect(verify.code).toBe(3);
}

/** A file with a cut name goes, is seen among the versions, and comes back; what is somebody else's stays. */
export async function removeAndUndelete(ground: Ground): Promise<void> {
  const { machine } = ground;
  const keys = keyArgs(machine);
  const before = await stored(ground);
  const file = join(machine.root, CUT);
  renameSync(file, join(machine.home, 'aside'));
  expect((await sync(ground, '--delete', '--yes')).code).toBe(0);
  expect(await stored(ground)).toHaveLength(before.length - 1);
  const versions = await machine.run(['versions', ...keys, file]);
  expect(versions.stdout.split('\n').slice(0, -1)).toHaveLength(2);
  expect(versions.stdout).toContain(CUT);
  expect((await machine.run(['undelete', ...keys, file])).stdout).toContain(CUT);
  expect((await stored(ground)).toSorted()).toEqual(before.toSorted());
  renameSync(join(machine.home, 'aside'), file);
  expect((await sync(ground, '--check-remote')).code).toBe(0);
}

export async function description({ client, bucket }: Ground): Promise<Record<string, unknown>> {
  const { Body } = await client.send(
    new GetObjectCommand({ Bucket: bucket, Key: 'docs-vault/.s3vault/vault.json' }),
  );
  return JSON.parse((await Body?.transformToString()) ?? '') as Record<string, unknown>;
}

export async function versionOf({ client, bucket }: Ground, name: string): Promise<string> {
  const { VersionId = '' } = await client.send(
    new HeadObjectCommand({ Bucket: bucket, Key: `docs-vault/${name}` }),
  );
  return VersionId;
}
