/** The body of a GET: counted, and its connection freed whether it is read, left or never begun. */
import { RUN_AGAIN, VaultError } from '../model/errors.ts';
import { failureOfThrown } from './network-failure.ts';
import type { WireAnswer } from './wire.ts';

/** Throws kind `transient` where the bytes are fewer or more than the answer promised. Can be read once. */
export function countedBody(
  body: WireAnswer['body'],
  expected: number,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  const source: AsyncIterator<Uint8Array> = body[Symbol.asyncIterator]();
  let seen = 0;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const step = await source.next().catch((thrown: unknown) => {
      throw failureOfThrown(thrown, signal);
    });
    if (step.done !== true) seen += step.value.length;
    if (seen > expected || (step.done === true && seen < expected)) {
      body.destroy();
      throw cutShort(seen, expected);
    }
    return step;
  };
  const iterator = {
    next,
    return: async (): Promise<IteratorResult<Uint8Array>> => {
      free(body);
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

/** Destroying a body reports an abort as an error event; nobody is left to hear it. */
function free(body: WireAnswer['body']): void {
  body.on('error', () => undefined);
  body.destroy();
}

function cutShort(seen: number, expected: number): VaultError {
  return new VaultError('transient', 'cut-short', `the store sent ${seen} bytes of ${expected}`, {
    hint: RUN_AGAIN,
  });
}
