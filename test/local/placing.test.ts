/** Both ways into a folder, held to one contract. */
import type * as Fs from 'node:fs';
import { vi } from 'vitest';
import { openWriter } from '../../src/local/incoming.ts';
import { openTree } from '../../src/local/tree.ts';
import { openTarget } from '../../src/local/write.ts';
import { relPath } from '../../src/model/brands.ts';
import { type PlacingRig, placingContract } from '../contract/placing.ts';
import { type TakingRig, takingContract } from '../contract/taking.ts';
import { ManualClock } from '../support/manual-clock.ts';

vi.mock('node:fs', async (original) =>
  (await import('../support/scripted-fs.ts')).scriptedFs(await original<typeof Fs>()),
);

const facts = { mtime: 1_600_000_000_000, mode: 0o644 };

const incoming =
  (always: boolean) =>
  async (root: string): Promise<PlacingRig> => {
    const writer = openWriter(root);
    const tree = openTree({ root, include: [], exclude: [], clock: new ManualClock() });
    await tree.mark('id');
    const bring = async (path: string, text: string, over: boolean): Promise<void> => {
      const entry = over ? await tree.look(relPath(path)) : undefined;
      if (entry?.kind === 'oddity') throw new Error('odd');
      const draft = await writer.begin();
      await draft.write(Buffer.from(text), 0);
      const goes = entry && { entry, as: relPath('d/note (conflict here).txt'), always };
      try {
        await draft.place(relPath(path), { kind: 'file', permissions: 0o644, mtime: facts.mtime }, goes);
      } finally {
        await draft.discard();
      }
    };
    return {
      bring: (path, text) => bring(path, text, false),
      goOver: (path, text) => bring(path, text, true),
    };
  };

async function restoring(root: string): Promise<PlacingRig> {
  const target = openTarget({ root, clock: new ManualClock() });
  await target.open();
  const bring = async (path: string, text: string, keepOld: boolean): Promise<void> => {
    const draft = await target.begin(relPath(path));
    await draft.write(Buffer.from(text), 0);
    await draft.place(facts, { keepOld });
  };
  return {
    bring: (path, text) => bring(path, text, false),
    goOver: (path, text) => bring(path, text, true),
  };
}

placingContract('a file that comes', incoming(false));
placingContract('a file that comes in a conflict', incoming(true));
placingContract('a restored file', restoring);

const taking =
  (how: 'remove' | 'setAside' | 'move') =>
  async (root: string): Promise<TakingRig> => {
    const writer = openWriter(root);
    const tree = openTree({ root, include: [], exclude: [], clock: new ManualClock() });
    await tree.mark('id');
    const take = async (path: string): Promise<unknown> => {
      const entry = await tree.look(relPath(path));
      if (entry === undefined || entry.kind === 'oddity') throw new Error('odd');
      return how === 'move' ? writer.move(entry, relPath('d/note moved.txt')) : writer[how](entry);
    };
    return { take };
  };

takingContract('a file that is removed', true, taking('remove'));
takingContract('a file that is set aside', false, taking('setAside'));
takingContract('a file that is moved', false, taking('move'));
