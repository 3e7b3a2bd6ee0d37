/** What was looked up lately, by folder and name in it: bounded, and the older half goes where there is no more room. */
export class Recent {
  readonly #half: number;
  #young = new Map<string, Map<string, string>>();
  #old = new Map<string, Map<string, string>>();
  #count = 0;

  constructor(size: number) {
    this.#half = Math.ceil(size / 2);
  }

  get(folder: string, name: string): string | undefined {
    const young = this.#young.get(folder)?.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(folder)?.get(name);
    if (old !== undefined) this.set(folder, name, old);
    return old;
  }

  set(folder: string, name: string, value: string): void {
    if (this.#count >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#count = 0;
    }
    let names = this.#young.get(folder);
    if (names === undefined) this.#young.set(folder, (names = new Map()));
    if (!names.has(name)) this.#count++;
    names.set(name, value);
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
    this.#count = 0;
  }
}
