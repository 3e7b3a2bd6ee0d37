/** The passphrase of the key file, typed once and used for all that opens it until it is wiped. */
import { VaultError } from '../model/errors.ts';
import { Secret } from '../model/secret.ts';
import { OPENING } from './key-desk.ts';

/** What a key file asks when it is made. */
const MAKING = 'new passphrase for the key file: ';

const copyOf = (secret: Secret): Secret => secret.use((bytes) => new Secret(bytes));

export class AskedOnce {
  #known: Secret | undefined;
  /** Undefined where nobody can be asked just now. */
  ask: ((question: string) => Promise<Secret>) | undefined;

  constructor(ask?: (question: string) => Promise<Secret>) {
    this.ask = ask;
  }

  /** For whoever opens the key file; what it gives is the caller's to wipe. */
  readonly prompt = async (question: string): Promise<Secret> => {
    if (question === OPENING && this.#known !== undefined) return copyOf(this.#known);
    if (this.ask === undefined) throw nobody();
    const answer = await this.ask(question);
    if (question === OPENING || question === MAKING) {
      this.wipe();
      this.#known = copyOf(answer);
    }
    return answer;
  };

  /** After one that was wrong, or at the end. */
  wipe(): void {
    this.#known?.wipe();
    this.#known = undefined;
  }
}

const nobody = (): VaultError =>
  new VaultError('usage', 'passphrase-wanted', 'the passphrase of the key file is needed', {
    hint: 'leave the screen and start s3vault again: it asks first',
  });
