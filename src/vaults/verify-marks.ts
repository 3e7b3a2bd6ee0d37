/**
 * Where the last `verify` of a vault ended: a private file of its own in the vault's state, so that a look can go on from there
 * while another process holds the vault and its Index. It holds `{version, of, marks}`; where it cannot be read, or was written
 * of another place or under another key, all is looked at once more.
 */
import { join } from 'node:path';
import { placeOf } from '../engine/describe.ts';
import type { Remembered } from '../engine/verify.ts';
import type { Vault } from '../model/vault.ts';
import { readOwnFile, replacePrivate, withLock } from '../private-file.ts';

export interface Looked {
  readonly vault: Pick<Vault, 'remote'>;
  readonly modeFingerprint: string;
}

const VERSION = 1;

const fileIn = (folder: string): string => join(folder, 'verified.json');

/** What the marks are true of. */
const nameOf = ({ vault, modeFingerprint }: Looked): string =>
  [vault.remote.endpoint ?? 'aws', placeOf(vault), modeFingerprint].join(' ');

export async function marksOf(folder: string, looked: Looked): Promise<Remembered> {
  try {
    const text = (await readOwnFile(fileIn(folder)))?.toString('utf8');
    return text === undefined ? new Map() : marksIn(JSON.parse(text), nameOf(looked));
  } catch {
    return new Map();
  }
}

/** Marks that `marks` does not have stay. Errors of writing as `private-file` has them. */
export async function keepMarks(folder: string, looked: Looked, marks: Remembered): Promise<void> {
  if (marks.size === 0) return;
  const file = fileIn(folder);
  await withLock(file, async () => {
    const all = Object.fromEntries([...(await marksOf(folder, looked)), ...marks]);
    const content = { version: VERSION, of: nameOf(looked), marks: all };
    await replacePrivate(file, Buffer.from(JSON.stringify(content)));
  });
}

function marksIn(content: unknown, of: string): Remembered {
  if (typeof content !== 'object' || content === null) return new Map();
  if (!('version' in content) || content.version !== VERSION) return new Map();
  if (!('of' in content) || content.of !== of) return new Map();
  if (!('marks' in content) || typeof content.marks !== 'object' || content.marks === null) return new Map();
  const marks = Object.entries(content.marks);
  return new Map(marks.flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])));
}
