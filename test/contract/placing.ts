/**
 * What both ways of bringing a file into a folder keep: whatever other programs do in the same moment, and wherever the process
 * dies, no content is lost, and nothing stands under the name but something whole. The tests run on a scripted file system.
 */
import { closeSync, openSync, utimesSync, writeSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Folder } from '../support/folder.ts';
import { script } from '../support/scripted-fs.ts';
import { contentsOf, editMine, errno, filesOf, save as saveIn, textOf } from './placing-files.ts';

export interface PlacingRig {
  /** Brings a file to a name where nothing stands. */
  readonly bring: (path: string, text: string) => Promise<void>;
  /** The same where one stands: it goes on under another name, or goes. */
  readonly goOver: (path: string, text: string) => Promise<void>;
}

const MTIME = 1_700_000_000;
/** A draft is finished, the file loses its name, the draft gets it, and folders are written: at each of them at least one. */
const EDITS = 4;
const DEAD = 'the process is dead';

export function placingContract(name: string, open: (root: string) => Promise<PlacingRig>): void {
  describe.each(['with', 'without'] as const)(`${name}, on a disk %s hard links`, (links) => {
    let folder: Folder;
    let rig: PlacingRig;

    beforeEach(async () => {
      folder = new Folder();
      rig = await open(folder.root);
      on(() => undefined);
    });
    afterEach(() => {
      script();
      folder.remove();
    });

    /** Runs `meanwhile` once, before the first call that it takes for the one. */
    function on(meanwhile: (call: string, from: string, to: string) => boolean | undefined): void {
      let done = false;
      script((call, [from, to]) => {
        done ||= meanwhile(call, String(from), String(to)) === true;
        if (call === 'linkSync' && links === 'without') throw errno('EPERM');
      });
    }

    const at = (path: string): string => folder.at(path);
    const text = (path: string): string => textOf(folder, path);
    const files = (): string[] => filesOf(folder);
    const contents = (): string[] => contentsOf(folder);
    const save = (path: string, content: string): void => saveIn(folder, path, content);
    const old = (): void => {
      folder.write('d/note.txt', 'mine');
      utimesSync(at('d/note.txt'), MTIME, MTIME);
    };
    /** The file loses its name, or another one is put over it. */
    const isTurn = (from: string, to: string): boolean =>
      [from, to].some((path) => path === at('d/note.txt'));

    test('a new file comes whole', async () => {
      await rig.bring('d/note.txt', 'theirs');
      expect([text('d/note.txt'), contents()]).toEqual(['theirs', ['theirs']]);
    });

    test('one that stands there gives way', async () => {
      old();
      await rig.goOver('d/note.txt', 'theirs');
      expect(text('d/note.txt')).toBe('theirs');
      expect(files().filter((path) => path.includes('tmp/'))).toEqual([]);
    });

    test.each([
      ['saved as a new file', (): void => save('d/note.txt', 'late')],
      ['written in place', (): void => folder.write('d/note.txt', 'late')],
    ])('an edit in the last moment is not lost: %s', async (_, edit) => {
      old();
      on((call, from, to) => {
        if (!['linkSync', 'renameSync'].includes(call) || !isTurn(from, to)) return undefined;
        edit();
        return true;
      });
      const ended = await rig.goOver('d/note.txt', 'theirs').then(
        () => 'theirs',
        () => 'late',
      );
      expect(text('d/note.txt')).toBe(ended);
      expect(contents()).toContain('late');
    });

    test('an edit at the moment of each step is not lost', async () => {
      let edits = 0;
      for (let step = 1; ; step++) {
        folder.remove();
        folder = new Folder();
        rig = await open(folder.root);
        old();
        let [calls, edited] = [0, false];
        on((call, from) => {
          if (call === 'mkdirSync' || ++calls < step) return undefined;
          edited = editMine(folder, call, from);
          return true;
        });
        await rig.goOver('d/note.txt', 'theirs').catch(() => undefined);
        if (edited) expect(contents(), `step ${step}`).toContain('late');
        if (edited) edits++;
        expect(['mine', 'theirs', 'late']).toContain(text('d/note.txt'));
        if (calls < step) break;
      }
      expect(edits).toBeGreaterThanOrEqual(EDITS);
    });

    test('a program that has the file open writes on, and that is kept', async () => {
      old();
      const file = openSync(at('d/note.txt'), 'r+');
      on((call, from, to) => {
        if (!['linkSync', 'renameSync'].includes(call) || to !== at('d/note.txt')) return undefined;
        expect(from).not.toBe(at('d/note.txt'));
        writeSync(file, 'late, and longer');
        return true;
      });
      await rig.goOver('d/note.txt', 'theirs').catch(() => undefined);
      closeSync(file);
      expect(contents()).toContain('late, and longer');
    });

    test('wherever the process dies, the old content is there, and nothing half under the name', async () => {
      for (let step = 1; ; step++) {
        folder.remove();
        folder = new Folder();
        rig = await open(folder.root);
        old();
        let calls = 0;
        script((call) => {
          if (++calls >= step) throw errno(DEAD);
          if (call === 'linkSync' && links === 'without') throw errno('EPERM');
        });
        const died = await rig.goOver('d/note.txt', 'theirs').then(
          () => calls >= step,
          () => true,
        );
        script();
        const there = contents();
        expect(there.some((one) => one === 'mine' || one === 'theirs')).toBe(true);
        if (!there.includes('theirs')) expect(there, `step ${step}`).toContain('mine');
        if (files().includes('d/note.txt')) expect(['mine', 'theirs']).toContain(text('d/note.txt'));
        else expect(there, `step ${step}`).toContain('mine');
        if (!died) break;
      }
    });

    // Elsewhere a look comes before the rename, and what comes between the two is lost.
    if (links === 'with') {
      test('a new file does not go over one that comes in this moment', async () => {
        on((call, _, to) => {
          if (!['linkSync', 'renameSync'].includes(call) || to !== at('d/note.txt')) return undefined;
          save('d/note.txt', 'late');
          return true;
        });
        await expect(rig.bring('d/note.txt', 'theirs')).rejects.toThrow();
        expect(text('d/note.txt')).toBe('late');
      });

      test('one that comes while the name is free keeps it, and the old one is there, too', async () => {
        old();
        on((call, from, to) => {
          if (call !== 'linkSync' || to !== at('d/note.txt') || from === to) return undefined;
          save('d/note.txt', 'late');
          return true;
        });
        await rig.goOver('d/note.txt', 'theirs').catch(() => undefined);
        expect(contents()).toEqual(expect.arrayContaining(['late', 'mine']));
      });
    }
  });
}
