import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../model/ports.ts';

const WELCOME = `# Welcome

This folder is kept in step with an S3 store that runs inside this very process.
Everything else is real: TLS, request signing, encryption, proof.
`;

/** A small folder with what real folders have: text, pictures, nothing, odd names, depth, one file in parts. */
export async function writeSamples(root: string): Promise<void> {
  const files: readonly (readonly [string, string | Buffer])[] = [
    ['notes/welcome.md', WELCOME],
    ['notes/todo.md', '- [ ] keep the only copy safe\n'],
    ['notes/empty.txt', ''],
    ['photos/2026/alps/DSC_0192.NEF', randomBytes(3_800_000)],
    ['photos/2026/alps/DSC_0193.NEF', randomBytes(2_900_000)],
    ['contracts/lease-signed.pdf', randomBytes(1_200_000)],
    ['music/träume.flac', randomBytes(18_000_000)],
    ['odd names/line\nbreak 🏔.txt', 'names are safe, too\n'],
    ['deep/er/and/deep/er/still/file.txt', 'here I am\n'],
    ...Array.from(
      { length: 24 },
      (_, n) => [`invoices/${String(n + 1).padStart(4, '0')}.txt`, `invoice ${n + 1}\n`] as const,
    ),
  ];
  for (const [name, content] of files) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
}

const PAUSE_MS = 1_300;

/** Lets the folder live for a while: files are written, grow and go. Ends early when the signal fires. */
export async function changeSamples(
  root: string,
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const end = clock.ticks() + ms;
  for (let step = 1; clock.ticks() < end && !signal.aborted; step++) {
    try {
      await clock.sleep(PAUSE_MS, { signal });
    } catch {
      // Called off: the user left.
      return;
    }
    await changeOne(root, step);
  }
}

async function changeOne(root: string, step: number): Promise<void> {
  const note = join(root, 'notes', 'diary.md');
  switch (step % 4) {
    case 1:
      await appendFile(note, `line ${step}: still here\n`);
      return;
    case 2:
      await writeFile(join(root, 'photos', `snapshot-${step}.jpg`), randomBytes(200_000 + step * 10_000));
      return;
    case 3:
      await writeFile(join(root, 'notes', 'todo.md'), `- [x] done at step ${step}\n`);
      return;
    default:
      await rm(join(root, 'photos', `snapshot-${step - 2}.jpg`), { force: true });
  }
}
