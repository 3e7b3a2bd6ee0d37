/**
 * Gives a chunk's memory back at once, where all of it is the chunk's own: the collector comes too seldom for buffers of
 * megabytes. The chunk is empty afterwards, so only who has it alone may do this.
 */
export function release(chunk: Uint8Array): void {
  const { buffer } = chunk;
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength) buffer.transfer(0);
}

/** The chunks, each released when the next one is asked for. For consumers that keep none. */
export async function* released<T extends Uint8Array>(chunks: AsyncIterable<T>): AsyncIterable<T> {
  for await (const chunk of chunks) {
    yield chunk;
    release(chunk);
  }
}
