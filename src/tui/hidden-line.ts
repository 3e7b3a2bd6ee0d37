/** A line that is typed without being shown: a passphrase. Its text is in no state of the screen. */
import { VaultError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';

interface Waiting {
  readonly question: string;
  readonly resolve: (answer: Secret) => void;
  readonly reject: (why: unknown) => void;
}

/** One question at a time: another one refuses the one before. */
export class HiddenLine {
  readonly #changed: () => void;
  /** Characters, each its bytes, so that the last one can go. */
  #typed: Buffer[] = [];
  #waiting: Waiting | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** The question that waits, and how many characters were typed. */
  get shown(): { readonly question: string; readonly count: number } | undefined {
    return this.#waiting === undefined
      ? undefined
      : { question: this.#waiting.question, count: this.#typed.length };
  }

  readonly ask = (question: string): Promise<Secret> => {
    this.refuse();
    return new Promise((resolve, reject) => {
      this.#waiting = { question, resolve, reject };
      this.#changed();
    });
  };

  /** One key by its name. */
  press(key: string): void {
    if (key === 'return') this.#answer();
    else if (key === 'escape' || key === 'ctrl+c') this.refuse();
    else if (key === 'backspace') this.#typed.pop()?.fill(0);
    else if (key === 'ctrl+u') this.#clear();
    else if (key === 'space') this.type(' ');
    else if (Array.from(key).length === 1) this.type(key);
    this.#changed();
  }

  /** Text as it was typed or pasted; line ends are none of it. */
  type(text: string): void {
    const clean = text.replace(/[\u0000-\u001f\u007f]/g, '');
    this.#typed.push(...Array.from(clean, (char) => Buffer.from(char)));
    this.#changed();
  }

  refuse(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#clear();
    if (waiting === undefined) return;
    waiting.reject(
      new VaultError('cancelled', 'cancelled', 'nothing was typed', { hint: 'nothing was changed' }),
    );
    this.#changed();
  }

  #answer(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    const secret = Secret.take(Buffer.concat(this.#typed));
    this.#clear();
    waiting?.resolve(secret);
  }

  #clear(): void {
    for (const bytes of this.#typed) bytes.fill(0);
    this.#typed = [];
  }
}
