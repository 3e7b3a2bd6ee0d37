/** Questions to a person on the controlling terminal, whatever stdin and stdout are connected to. */
import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import { VaultError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';

export interface Terminal {
  /** Without echo. */
  readonly askSecret: (question: string) => Promise<Secret>;
  /** What was typed, without blanks around it. */
  readonly ask: (question: string) => Promise<string>;
}

/** The part of a terminal that is needed here; tests give their own. */
export interface Line {
  readonly input: Pick<ReadStream, 'setRawMode' | 'on' | 'off' | 'resume' | 'pause'>;
  readonly output: { write(text: string): unknown };
  close(): void;
}

/** The controlling terminal, or undefined where there is none (a service, cron, a pipe with no terminal behind it). */
export function openTerminal(open: () => Line | undefined = controllingTerminal): Terminal | undefined {
  const line = open();
  if (line === undefined) return undefined;
  line.close();
  return {
    askSecret: (question) => onLine(open, (fresh) => readSecret(fresh, question)),
    ask: (question) => onLine(open, (fresh) => readLine(fresh, question)),
  };
}

async function onLine<T>(open: () => Line | undefined, fn: (line: Line) => Promise<T>): Promise<T> {
  const line = open();
  if (line === undefined) {
    throw new VaultError('usage', 'no-terminal', 'the terminal is gone', { hint: 'run it on a terminal' });
  }
  try {
    return await fn(line);
  } finally {
    line.close();
  }
}

function controllingTerminal(): Line | undefined {
  const [from, to] =
    process.platform === 'win32' ? ['\\\\.\\CONIN$', '\\\\.\\CONOUT$'] : ['/dev/tty', '/dev/tty'];
  const opened: number[] = [];
  try {
    for (const path of [from, to]) opened.push(openSync(path, 'r+'));
    const [inFd = -1, outFd = -1] = opened;
    const input = new ReadStream(inFd);
    const output = new WriteStream(outFd);
    return { input, output, close: () => [input, output].forEach((stream) => stream.destroy()) };
  } catch {
    for (const fd of opened) closeSync(fd);
    return undefined;
  }
}

const [CTRL_C, CTRL_D, BACKSPACE, LINE_FEED, RETURN, CTRL_U, DELETE] = [3, 4, 8, 10, 13, 21, 127];

/** Reads one line byte by byte with the echo off; the terminal is put back however it ends. */
async function readSecret({ input, output }: Line, question: string): Promise<Secret> {
  const typed: number[] = [];
  // No echo before there is anything to answer: what is pasted at once must not show.
  input.setRawMode(true);
  try {
    output.write(question);
    await eachByte(input, (byte) => edit(typed, byte));
    return Secret.take(Uint8Array.from(typed));
  } finally {
    typed.fill(0);
    input.setRawMode(false);
    output.write('\n');
  }
}

/** True when the line is complete. */
function edit(typed: number[], byte: number): boolean {
  switch (byte) {
    case CTRL_C:
      throw interrupted();
    case CTRL_D:
      if (typed.length === 0) throw interrupted();
      return true;
    case RETURN:
    case LINE_FEED:
      return true;
    case BACKSPACE:
    case DELETE:
      dropCharacter(typed);
      return false;
    case CTRL_U:
      typed.length = 0;
      return false;
    default:
      typed.push(byte);
      return false;
  }
}

/** Removes the last character, which in UTF-8 is one byte with those that continue it. */
function dropCharacter(typed: number[]): void {
  let byte = typed.pop();
  while (byte !== undefined && (byte & 0xc0) === 0x80) byte = typed.pop();
}

async function readLine({ input, output }: Line, question: string): Promise<string> {
  const typed: number[] = [];
  output.write(question);
  await eachByte(input, (byte) => {
    if (byte === LINE_FEED || byte === RETURN) return true;
    typed.push(byte);
    return false;
  });
  return Buffer.from(typed).toString('utf8').trim();
}

/** Feeds bytes until `take` says that was the last one. The end of the input counts as an interruption. */
async function eachByte(input: Line['input'], take: (byte: number) => boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (chunk: Buffer) => {
    try {
      if (chunk.some((byte) => take(byte))) resolve();
    } catch (thrown) {
      reject(thrown);
    }
    chunk.fill(0);
  };
  const onEnd = () => reject(interrupted());
  input.on('data', onData);
  input.on('end', onEnd);
  input.on('error', onEnd);
  input.resume();
  try {
    await promise;
  } finally {
    input.pause();
    input.off('data', onData);
    input.off('end', onEnd);
  }
}

const interrupted = () =>
  new VaultError('cancelled', 'cancelled', 'nothing was typed', { hint: 'nothing was changed' });
