/** The plaintext of one object, none of it before it is verified: for readers that cannot take bytes back. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { type Reader, type Wanted, fetchObject } from './fetching.ts';
import { wrongBytes } from './restore-file.ts';

/**
 * A small object is held until it is verified. A large one that was sealed is fetched twice: first for its tag, while the
 * digest of every piece is noted, then to be handed on, each piece only once it has that digest. So the store cannot show
 * one object to the check and another to the reader. Where the store decrypts there is nothing to verify.
 */
export async function* verifiedBytes(
  reader: Reader,
  wanted: Wanted,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const fetched = await fetchObject(reader, wanted, signal);
  try {
    const { whole, opening } = fetched;
    if (whole !== undefined) yield whole;
    else if (opening === undefined) yield* fetched.body();
    else {
      const digests: Buffer[] = [];
      for await (const piece of opening.stream(noted(fetched.body(), digests))) piece.fill(0);
      yield* opening.stream(compared(fetched.body(), digests, wanted.key));
    }
  } finally {
    fetched.wipe();
  }
}

const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

async function* noted(body: AsyncIterable<Uint8Array>, digests: Buffer[]): AsyncIterable<Uint8Array> {
  for await (const piece of body) {
    digests.push(digestOf(piece));
    yield piece;
  }
}

async function* compared(
  body: AsyncIterable<Uint8Array>,
  digests: readonly Buffer[],
  key: string,
): AsyncIterable<Uint8Array> {
  let at = 0;
  for await (const piece of body) {
    const before = digests[at++];
    if (before === undefined || !timingSafeEqual(before, digestOf(piece))) throw wrongBytes(key);
    yield piece;
  }
}
