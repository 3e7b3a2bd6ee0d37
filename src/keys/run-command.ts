import { execFile } from 'node:child_process';
import { VaultError } from '../model/errors.ts';
import type { Waits } from '../model/ports.ts';

const TIME_LIMIT_MS = 60_000;
const MAX_OUTPUT = 1 << 20;

/**
 * Splits a command line into words as a shell would: blanks separate, single quotes keep all, double quotes keep all
 * but backslashes before `"` and `\`, a backslash keeps the next character. Nothing is expanded, and no shell runs.
 */
export function shellWords(line: string, what: string): readonly [string, ...string[]] {
  const words: string[] = [];
  const token = /'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)|(\s+)|(.)/gsu;
  let word: string | undefined;
  for (const [, single, double, escaped, plain, blank, odd] of line.matchAll(token)) {
    if (odd !== undefined) throw badCommand(what, 'a quote is not closed');
    if (blank !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + (single ?? double?.replaceAll(/\\(["\\])/g, '$1') ?? escaped ?? plain ?? '');
    }
  }
  if (word !== undefined) words.push(word);
  const [program, ...args] = words;
  if (program === undefined || program === '') throw badCommand(what, 'it is empty');
  return [program, ...args];
}

function badCommand(what: string, fault: string): VaultError {
  return new VaultError('usage', 'bad-command', `the ${what} cannot be run: ${fault}`, {
    hint: 'give a program and its arguments as you would in a shell; for pipes and variables use: sh -c "…"',
  });
}

export interface RunOptions extends Waits {
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/**
 * Runs a program and gives what it printed. Neither its output nor its arguments get into an error: both may be secret.
 * Rejects with kind `usage`, code `command-failed`.
 */
export async function runForSecret(
  words: readonly [string, ...string[]],
  what: string,
  { signal, env = process.env, timeoutMs = TIME_LIMIT_MS }: RunOptions = {},
): Promise<Buffer> {
  const [program, ...args] = words;
  return new Promise((resolve, reject) => {
    const child = execFile(
      program,
      args,
      {
        encoding: 'buffer',
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT,
        env,
        signal,
        windowsHide: true,
      },
      (error, stdout) => {
        if (error === null) resolve(stdout);
        else {
          stdout.fill(0);
          reject(failed(error, program, what, timeoutMs));
        }
      },
    );
    child.stdin?.end();
  });
}

type ExecError = Error & {
  readonly code?: string | number | null;
  readonly killed?: boolean;
  readonly signal?: string | null;
};

function failed(error: ExecError, program: string, what: string, timeoutMs: number): VaultError {
  if (error.name === 'AbortError') return new VaultError('cancelled', 'cancelled', `cancelled the ${what}`);
  return new VaultError('usage', 'command-failed', `the ${what} (${program}) ${outcome(error, timeoutMs)}`, {
    hint: 'run it by hand to see what is wrong',
  });
}

function outcome({ code, killed, signal }: ExecError, timeoutMs: number): string {
  if (code === 'ENOENT') return 'was not found';
  if (code === 'EACCES') return 'may not be run';
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'printed far too much';
  if (killed === true) return `did not end within ${Math.round(timeoutMs / 1000)} seconds`;
  if (typeof signal === 'string') return `was ended by ${signal}`;
  return `ended with exit code ${code ?? 'unknown'}`;
}
