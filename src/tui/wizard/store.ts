/** The state of the wizard for React, and the way in for keys, texts and results. */
import type { InitDesk } from '../../model/init-desk.ts';
import type { Clock } from '../../model/ports.ts';
import { Hands } from './hands.ts';
import { press } from './press.ts';
import { happened } from './results.ts';
import { typed } from './typing.ts';
import { type Led, type Ui, startOf } from './ui.ts';

export class WizardStore {
  /** Resolves when the screen is to go; no secret is in its state any more. */
  readonly left: Promise<void>;
  readonly #listeners = new Set<() => void>();
  readonly #hands: Hands;
  #ui: Ui;

  constructor(desk: InitDesk, clock: Clock) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.left = promise;
    this.#ui = startOf(desk.given, desk.keyName);
    this.#hands = new Hands(desk, clock, (what, turn) => this.#take(happened(what, this.#ui, turn)), resolve);
  }

  /** `drawn` resolves when what is to be seen by now is on the screen: opening a key file blocks. */
  start(drawn: () => Promise<void>): void {
    this.#hands.drawn = drawn;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly get = (): Ui => this.#ui;

  /** What was typed hidden. */
  readonly typed = (): string => this.#hands.typed();

  press(key: string, page: number): void {
    this.#take(press(key, this.#ui, { page }));
  }

  type(text: string, pasted: boolean): void {
    this.#take(typed(text, this.#ui, pasted));
  }

  /** Asks for an orderly end, as `q` does. */
  end(): void {
    this.#take(happened({ what: 'end' }, this.#ui));
  }

  #take({ ui, effects }: Led): void {
    this.#ui = ui;
    for (const effect of effects) this.#hands.do(effect);
    for (const listener of this.#listeners) listener();
  }
}
