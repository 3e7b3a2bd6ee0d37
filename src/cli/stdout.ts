/** Standard output that does not take what is written. Neither a full disk nor a reader that left ends a work in the middle. */
import { VaultError } from '../model/errors.ts';

type Stream = NodeJS.WriteStream;
type Fault = NodeJS.ErrnoException;

/** The first write that failed of those that were all a command is about. */
let lost: Fault | undefined;
/** Works under way that print beside what they do. */
let works = 0;

/** From here on no write that fails throws. For the whole process, once. */
export function guardOutput(): void {
  process.stdout.on('error', (fault: Fault) => {
    if (works === 0 && !isGone(fault, process.stdout)) lost ??= fault;
  });
  // There is nowhere left to say it.
  process.stderr.on('error', () => undefined);
}

/** What ends a command whose output is all there is of it: kind `file`. A reader that left, as `head` does, has had enough. */
export async function lostOutput(): Promise<VaultError | undefined> {
  await turn();
  if (lost === undefined) return undefined;
  const message = `standard output cannot be written: ${reasonOf(lost)}`;
  return new VaultError('file', 'output-lost', message, {
    cause: lost,
    hint: 'make room where it goes, or send it elsewhere; then run it again',
  });
}

/** A work that is more than its output: it goes on without, and that is said once. `onGone`: nobody reads any more. */
export async function besideOutput<T>(onGone: () => void, work: () => Promise<T>): Promise<T> {
  let [gone, told] = [false, false];
  const hear = (fault: Fault): void => {
    if (isGone(fault, process.stdout)) {
      // Every write fails from now on; said twice it would call off what may end.
      if (!gone) onGone();
      gone = true;
    } else if (!told) {
      process.stderr.write(goingOn(fault));
      told = true;
    }
  };
  works++;
  process.stdout.on('error', hear);
  try {
    return await work();
  } finally {
    await turn();
    process.stdout.off('error', hear);
    works--;
  }
}

const goingOn = (fault: Fault): string =>
  `! what is printed cannot be written: ${reasonOf(fault)}\n  the work goes on, and ends in order; only its lines are lost\n`;

/** A closed terminal says EIO. */
const isGone = ({ code }: Fault, { isTTY }: Stream): boolean => code === 'EPIPE' || (code === 'EIO' && isTTY);

const REASONS: { readonly [code: string]: string } = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is as large as it may be',
  EIO: 'the device fails',
};
const reasonOf = ({ code = '', message }: Fault): string => REASONS[code] ?? message;

/** Until the failures of what was written are told. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
