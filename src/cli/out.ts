/** Standard output for much text or bytes: waits for a slow reader, and notices one that went away. */
export class Out {
  readonly #stream: NodeJS.WriteStream;
  #waiting = '';
  #gone = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.once('error', () => {
      this.#gone = true;
    });
  }

  /** False once nobody reads any more. */
  async line(text: string): Promise<boolean> {
    this.#waiting += `${text}\n`;
    return this.#waiting.length < 32_768 ? !this.#gone : this.#flush();
  }

  async bytes(piece: Uint8Array): Promise<boolean> {
    await this.#flush();
    return this.#write(piece);
  }

  /** Resolves when all is handed over. */
  async end(): Promise<void> {
    await this.#flush();
  }

  async #flush(): Promise<boolean> {
    const text = this.#waiting;
    this.#waiting = '';
    return text === '' ? !this.#gone : this.#write(text);
  }

  async #write(content: string | Uint8Array): Promise<boolean> {
    if (this.#gone) return false;
    await new Promise<void>((resolve) => this.#stream.write(content, () => resolve()));
    return !this.#gone;
  }
}
