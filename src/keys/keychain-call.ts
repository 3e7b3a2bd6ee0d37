import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { VaultError } from '../model/errors.ts';
import type { Clock, Waits } from '../model/ports.ts';
import { keychainCrashed, keychainFailed, keychainTimeout, keychainUnloadable } from './keychain-errors.ts';

export type KeychainRequest =
  | { readonly call: 'get'; readonly service: string; readonly account: string }
  | { readonly call: 'set'; readonly service: string; readonly account: string; readonly value: string }
  | { readonly call: 'delete'; readonly service: string; readonly account: string }
  | { readonly call: 'find'; readonly service: string };

export type KeychainAnswer =
  | { readonly value: unknown }
  | { readonly failed: 'load' | 'call'; readonly message: string };

const answerSchema = v.union([
  v.strictObject({ failed: v.picklist(['load', 'call']), message: v.string() }),
  v.strictObject({ value: v.unknown() }),
]);

export interface CallOptions extends Waits {
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** One call to the system's keychain in a process of its own; see `keychain-child.ts` for why. */
export async function callKeychain(request: KeychainRequest, options: CallOptions): Promise<unknown> {
  if (options.signal?.aborted === true) throw cancelled();
  // Beside this file, with its extension: .ts in the checkout, .js when built. Its stderr is what native libraries
  // print of their own accord; on a terminal it would spoil the screen.
  const path = fileURLToPath(new URL(`./keychain-child${extname(import.meta.url)}`, import.meta.url));
  const child = spawn(process.execPath, [path], {
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  const guard = guarded(child, options);
  try {
    return understand(await Promise.race([guard.failed, exchange(child, request)]));
  } finally {
    guard.end();
  }
}

/** Kills the child when time is up or the call is cancelled. */
function guarded(child: ChildProcess, { clock, timeoutMs, signal }: CallOptions) {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  const stop = (error: VaultError) => {
    child.kill('SIGKILL');
    reject(error);
  };
  const abort = () => stop(cancelled());
  const callOff = clock.after(timeoutMs, () => stop(keychainTimeout(timeoutMs)));
  signal?.addEventListener('abort', abort, { once: true });
  child.once('error', (cause) => reject(keychainFailed(`cannot start a process: ${cause.message}`)));
  const end = () => {
    callOff();
    signal?.removeEventListener('abort', abort);
  };
  return { failed, end };
}

const cancelled = () => new VaultError('cancelled', 'cancelled', 'cancelled while the keychain was asked');

async function exchange(child: ChildProcess, request: KeychainRequest): Promise<string> {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw keychainFailed('no pipe to the process that asks it');
  const closed = new Promise<NodeJS.Signals | null>((resolve) => {
    child.once('close', (_code, signal) => resolve(signal));
  });
  // A child that dies early closes the pipe; what counts then is how it ended.
  stdin.on('error', () => undefined);
  stdin.end(JSON.stringify(request));
  const [answer, signal] = await Promise.all([text(stdout), closed]);
  if (answer === '') throw keychainCrashed(signal);
  return answer;
}

function understand(answer: string): unknown {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer);
  } catch {
    throw keychainCrashed(null);
  }
  const result = v.safeParse(answerSchema, parsed);
  if (!result.success) throw keychainCrashed(null);
  if (!('failed' in result.output)) return result.output.value;
  const { failed, message } = result.output;
  throw failed === 'load' ? keychainUnloadable(message) : keychainFailed(message);
}
