/** What is remembered of keys beside the keys themselves: nothing secret, by fingerprint, in one file of the state folder. */
import { join } from 'node:path';
import * as v from 'valibot';
import { VaultError } from '../model/errors.ts';
import { privateFolder, readOwnFile, replacePrivate, withLock } from '../private-file.ts';

export interface KeyNote {
  /** The recovery words were shown, or asked back and right. */
  readonly words?: 'shown' | 'checked';
  /** ISO 8601. */
  readonly lastUsed?: string;
  readonly lastTest?: { readonly time: string; readonly ok: boolean };
  /** Places whose older object versions can only be read with this key. */
  readonly versionsIn?: readonly string[];
}

const note = v.object({
  words: v.exactOptional(v.picklist(['shown', 'checked'])),
  lastUsed: v.exactOptional(v.string()),
  lastTest: v.exactOptional(v.object({ time: v.string(), ok: v.boolean() })),
  versionsIn: v.exactOptional(v.array(v.string())),
});
const content = v.object({
  version: v.literal(1),
  keys: v.array(v.object({ fingerprint: v.string(), ...note.entries })),
});

export interface KeyNotes {
  all(): Promise<ReadonlyMap<string, KeyNote>>;
  /** For what must not be done if the notes say otherwise. */
  surely(): Promise<ReadonlyMap<string, KeyNote>>;
  change(fingerprint: string, change: (note: KeyNote) => KeyNote): Promise<void>;
}

/**
 * A missing file holds no notes. One that can't be read holds none for what is only shown; what decides whether a key may
 * go asks with `surely`, and is refused (code `notes-unreadable`), as is every change: what it says is not thrown away.
 */
export function openKeyNotes(state: string): KeyNotes {
  const path = join(state, 'keys.json');
  return {
    all: () => read(path, false),
    surely: () => read(path, true),
    change: async (fingerprint, change) => {
      await privateFolder(state);
      await withLock(path, async () => {
        const notes = new Map(await read(path, true));
        notes.set(fingerprint, change(notes.get(fingerprint) ?? {}));
        const keys = [...notes].map(([print, one]) => ({ fingerprint: print, ...one }));
        await replacePrivate(path, Buffer.from(`${JSON.stringify({ version: 1, keys }, undefined, 2)}\n`));
      });
    },
  };
}

async function read(path: string, surely: boolean): Promise<ReadonlyMap<string, KeyNote>> {
  const bytes = await readOwnFile(path);
  if (bytes === undefined) return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8'));
  } catch {
    return unreadable(path, surely);
  }
  const result = v.safeParse(content, parsed);
  if (!result.success) return unreadable(path, surely);
  return new Map(result.output.keys.map(({ fingerprint, ...one }) => [fingerprint, one]));
}

function unreadable(path: string, surely: boolean): ReadonlyMap<string, KeyNote> {
  if (!surely) return new Map();
  throw new VaultError('usage', 'notes-unreadable', `${path} cannot be read`, {
    hint: 'it says which keys older versions still need: restore it, or move it away if you know that none does',
  });
}
