/**
 * What every way of taking a file from its name keeps, be it to remove it or to give it another: no content is lost that was not
 * seen before, and what fails puts the file back. The tests run on a scripted file system.
 */
import { existsSync, utimesSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Folder } from '../support/folder.ts';
import { script } from '../support/scripted-fs.ts';
import { contentsOf, editMine, errno, filesOf, save, textOf } from './placing-files.ts';

export interface TakingRig {
  /** Takes the file from its name. */
  readonly take: (path: string) => Promise<unknown>;
}

const MTIME = 1_700_000_000;
const DEAD = 'the process is dead';
/** After these the file is out, and what fails changes nothing of that. */
const AFTERWARDS: readonly string[] = ['fsyncSync', 'rmdirSync'];

/** `removes`: the content goes, unless it was changed meanwhile. */
export function takingContract(
  name: string,
  removes: boolean,
  open: (root: string) => Promise<TakingRig>,
): void {
  describe.each(['with', 'without'] as const)(`${name}, on a disk %s hard links`, (links) => {
    let folder: Folder;
    let rig: TakingRig;

    const anew = async (): Promise<void> => {
      script();
      folder?.remove();
      folder = new Folder();
      rig = await open(folder.root);
      folder.write('d/note.txt', 'mine');
      utimesSync(folder.at('d/note.txt'), MTIME, MTIME);
    };
    beforeEach(anew);
    afterEach(() => {
      script();
      folder.remove();
    });

    /** Runs the work once for each call, before that call is made; gives how often it said to have done something. */
    async function eachStep(
      meanwhile: (call: string, from: string, to: string) => boolean,
      then: (ended: 'done' | Error, step: number, met: boolean) => void,
    ): Promise<number> {
      let times = 0;
      for (let step = 1; ; step++) {
        await anew();
        let [calls, met] = [0, false];
        script((call, [from, to]) => {
          if (++calls === step) met = meanwhile(call, String(from), String(to));
          if (call === 'linkSync' && links === 'without') throw errno('EPERM');
        });
        const ended = await rig.take('d/note.txt').then(
          () => 'done' as const,
          (thrown: unknown) => thrown as Error,
        );
        script();
        if (calls < step) return times;
        then(ended, step, met);
        if (met) times++;
      }
    }

    test('it is taken', async () => {
      await rig.take('d/note.txt');
      expect(existsSync(folder.at('d/note.txt'))).toBe(false);
      expect(contentsOf(folder)).toEqual(removes ? [] : ['mine']);
      expect(filesOf(folder).filter((path) => path.includes('tmp/'))).toEqual([]);
    });

    test('an edit at the moment of each step is not lost', async () => {
      const edits = await eachStep(
        (call, from) => editMine(folder, call, from),
        (_, step, edited) => {
          if (edited) expect(contentsOf(folder), `step ${step}`).toContain('late');
        },
      );
      expect(edits).toBeGreaterThanOrEqual(removes ? 1 : 2);
    });

    test('a new file at its name is not touched at any step, and an edited one comes back beside it', async () => {
      const saved = await eachStep(
        (call, from) => {
          if (existsSync(folder.at('d/note.txt'))) return false;
          editMine(folder, call, from);
          folder.write('d/note.txt', 'new');
          return true;
        },
        (_, step, met) => {
          if (!met) return;
          expect(textOf(folder, 'd/note.txt'), `step ${step}`).toBe('new');
          if (!removes) expect(contentsOf(folder), `step ${step}`).toContain('late');
        },
      );
      expect(saved).toBeGreaterThanOrEqual(1);
    });

    test('whatever call fails, the file is at its name again, or where it was to go', async () => {
      let failures = 0;
      await eachStep(
        (call) => {
          if (removes && AFTERWARDS.includes(call)) return false;
          throw errno('EIO');
        },
        (ended, step) => {
          if (ended === 'done') return;
          failures++;
          expect(contentsOf(folder), `step ${step}`).toContain('mine');
          expect(filesOf(folder).filter((path) => path.includes('tmp/'))).toEqual([]);
        },
      );
      expect(failures).toBeGreaterThanOrEqual(removes ? 2 : 3);
    });

    test('what finds its name taken on the way back goes on beside it, and that is said', async () => {
      script((call, [from]) => {
        if (call === 'linkSync' && links === 'without') throw errno('EPERM');
        if (!['linkSync', 'unlinkSync', 'renameSync'].includes(call) || !String(from).includes('going-'))
          return;
        if (existsSync(folder.at('d/note.txt'))) return;
        save(folder, 'd/note.txt', 'new');
        throw errno('EIO');
      });
      await expect(rig.take('d/note.txt')).rejects.toThrow('d/note (kept).txt');
      script();
      expect([textOf(folder, 'd/note.txt'), textOf(folder, 'd/note (kept).txt')]).toEqual(['new', 'mine']);
    });

    test('wherever the process dies, the content is there until it is to go', async () => {
      for (let step = 1; ; step++) {
        await anew();
        let [calls, removed] = [0, false];
        script((call, [from]) => {
          if (++calls >= step) throw errno(DEAD);
          removed ||= call === 'unlinkSync' && String(from).includes('going-');
          if (call === 'linkSync' && links === 'without') throw errno('EPERM');
        });
        const died = await rig.take('d/note.txt').then(
          () => calls >= step,
          () => true,
        );
        script();
        if (!removes || !removed) expect(contentsOf(folder), `step ${step}`).toContain('mine');
        if (!died) break;
      }
    });
  });
}
