/** The real file system with something scripted before each of its calls, for `vi.mock('node:fs')`. */
import type * as Fs from 'node:fs';

type Call = (...all: unknown[]) => unknown;
/** Sees a call that changes the disk before it is made, and may throw instead of it. */
export type Script = (name: string, args: readonly unknown[]) => void;

const state = globalThis as { fsScript?: Script | undefined };
export const script = (before?: Script): void => void (state.fsScript = before);

const CALLS = [
  'renameSync',
  'linkSync',
  'unlinkSync',
  'symlinkSync',
  'mkdirSync',
  'rmSync',
  'rmdirSync',
  'fsyncSync',
  'copyFileSync',
] as const;

export function scriptedFs(real: typeof Fs): typeof Fs {
  const fs: Record<string, unknown> = { ...real };
  for (const name of CALLS) {
    const work = real[name] as Call;
    fs[name] = (...all: unknown[]): unknown => {
      state.fsScript?.(name, all);
      return work(...all);
    };
  }
  return { ...fs, default: fs } as unknown as typeof Fs;
}
