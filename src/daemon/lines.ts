/** Bytes of a socket to lines of text: the framing of the protocol. */

const LINE_FEED = 10;

/**
 * Cuts what comes in at line feeds. A line longer than `limit` bytes is never kept: `onTooLong` is called once, and
 * nothing is read after it.
 */
export class LineReader {
  readonly #limit: number;
  readonly #onLine: (line: string) => void;
  readonly #onTooLong: () => void;
  #parts: Buffer[] = [];
  #length = 0;
  #over = false;

  constructor(limit: number, onLine: (line: string) => void, onTooLong: () => void) {
    this.#limit = limit;
    this.#onLine = onLine;
    this.#onTooLong = onTooLong;
  }

  push(chunk: Buffer): void {
    let from = 0;
    while (!this.#over) {
      const end = chunk.indexOf(LINE_FEED, from);
      const part = chunk.subarray(from, end === -1 ? chunk.length : end);
      if (this.#length + part.length > this.#limit) return this.#tooLong();
      this.#parts.push(part);
      this.#length += part.length;
      if (end === -1) return;
      from = end + 1;
      const line = Buffer.concat(this.#parts).toString('utf8');
      this.#parts = [];
      this.#length = 0;
      if (line !== '') this.#onLine(line);
    }
  }

  /** Nothing more is read. */
  end(): void {
    this.#over = true;
    this.#parts = [];
  }

  #tooLong(): void {
    this.end();
    this.#onTooLong();
  }
}
