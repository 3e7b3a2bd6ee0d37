import { VaultError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';

/** What is typed without being shown, and the question that it answers. Kept outside of any screen's state. */
export class HiddenText {
  /** Characters, each its bytes, so that the last one can go. */
  #chars: Buffer[] = [];
  #question:
    | { readonly resolve: (answer: Secret) => void; readonly reject: (why: unknown) => void }
    | undefined;

  /** For whoever asked to see it. */
  shown(): string {
    return Buffer.concat(this.#chars).toString('utf8');
  }

  type(text: string): void {
    this.#chars.push(...Array.from(text, (char) => Buffer.from(char)));
  }

  erase(): void {
    this.#chars.pop()?.fill(0);
  }

  clear(): void {
    for (const bytes of this.#chars) bytes.fill(0);
    this.#chars = [];
  }

  take(): Secret {
    const secret = Secret.take(Buffer.concat(this.#chars));
    this.clear();
    return secret;
  }

  /** A question before this one is refused. */
  ask(): Promise<Secret> {
    this.refuse();
    return new Promise((resolve, reject) => {
      this.#question = { resolve, reject };
    });
  }

  /** Answers with what was typed, once the screen shows that it did. */
  answer(drawn: Promise<void>): void {
    const question = this.#question;
    this.#question = undefined;
    const answer = this.take();
    void drawn.then(() => question?.resolve(answer));
  }

  /** Rejects the question with kind `cancelled`. */
  refuse(): void {
    const question = this.#question;
    this.#question = undefined;
    this.clear();
    question?.reject(
      new VaultError('cancelled', 'cancelled', 'nothing was typed', { hint: 'nothing was changed' }),
    );
  }
}
