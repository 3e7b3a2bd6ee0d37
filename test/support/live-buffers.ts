/**
 * The contents of all living ArrayBuffers of this process: a heap snapshot has what lies on the heap, and bytes lie beside it.
 */
import { createWriteStream } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { finished } from 'node:stream/promises';

/** What `dump` is called with, by the inspector. */
interface Hook {
  dumpBuffers?: (buffers: readonly (ArrayBuffer | SharedArrayBuffer)[]) => number;
}

/** Writes them one after the other into a file; gives how many there were. */
export async function writeLiveBuffers(path: string): Promise<number> {
  const out = createWriteStream(path, { mode: 0o600 });
  const hook = globalThis as Hook;
  hook.dumpBuffers = (buffers) => {
    for (const buffer of buffers) {
      // One that was given away (transferred) has no bytes here any more.
      if (buffer instanceof ArrayBuffer && buffer.detached) continue;
      out.write(Buffer.concat([Buffer.from(buffer), Buffer.alloc(1)]));
    }
    return buffers.length;
  };
  const session = new Session();
  session.connect();
  try {
    let count = 0;
    for (const kind of ['ArrayBuffer', 'SharedArrayBuffer']) {
      const prototype = await session.post('Runtime.evaluate', { expression: `${kind}.prototype` });
      const { objects } = await session.post('Runtime.queryObjects', {
        prototypeObjectId: prototype.result.objectId ?? '',
      });
      const answer = await session.post('Runtime.callFunctionOn', {
        objectId: objects.objectId ?? '',
        functionDeclaration: 'function () { return globalThis.dumpBuffers(this); }',
        returnByValue: true,
      });
      count += Number(answer.result.value);
    }
    return count;
  } finally {
    session.disconnect();
    delete hook.dumpBuffers;
    out.end();
    await finished(out);
  }
}
