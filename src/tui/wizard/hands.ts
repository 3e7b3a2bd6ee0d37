/** The one place where the wizard does something: effects in, what came of them out. */
import { asVaultError, report } from '../../model/errors.ts';
import type { InitDesk } from '../../model/init-desk.ts';
import type { Clock } from '../../model/ports.ts';
import { positions } from '../../model/recovery.ts';
import type { Secret } from '../../model/secret.ts';
import { HiddenText } from '../hidden-text.ts';
import type { Effect, Happening, Work } from './ui.ts';

type Tell = (what: Happening, turn?: number) => void;

export class Hands {
  readonly #desk: InitDesk;
  readonly #clock: Clock;
  readonly #tell: Tell;
  readonly #leave: () => void;
  readonly #hidden = new HiddenText();
  /** Resolves when the screen shows what is under way. */
  drawn: () => Promise<void> = async () => undefined;

  constructor(desk: InitDesk, clock: Clock, tell: Tell, leave: () => void) {
    this.#desk = desk;
    this.#clock = clock;
    this.#tell = tell;
    this.#leave = leave;
    desk.ask = (question) => this.#ask(question);
  }

  /** What was typed hidden, for whoever asked to see it. */
  typed(): string {
    return this.#hidden.shown();
  }

  do(effect: Effect): void {
    switch (effect.do) {
      case 'type':
        return this.#hidden.type(effect.text);
      case 'erase':
        return this.#hidden.erase();
      case 'clear':
        return this.#hidden.clear();
      case 'answer':
        return this.#hidden.answer(this.drawn());
      case 'refuse':
        return this.#hidden.refuse();
      case 'wipe':
        return effect.words.wipe();
      case 'note':
        return void this.#note(effect);
      case 'leave':
        this.#hidden.refuse();
        return this.#leave();
      case 'work':
        return void this.#work(effect.work, effect.turn);
      default:
        return effect satisfies never;
    }
  }

  async #work(work: Work, turn: number): Promise<void> {
    try {
      await this.drawn();
      this.#tell(await this.#done(work), turn);
      if (work.do === 'create') this.#tell(await this.#words(work), turn);
    } catch (thrown) {
      this.#failed(work.do, thrown, turn);
    }
  }

  #failed(doing: Work['do'] | 'note', thrown: unknown, turn?: number): void {
    const error = asVaultError(thrown);
    const cancelled = error.kind === 'cancelled';
    this.#tell({ what: 'failed', doing, error: report(error), cancelled }, turn);
  }

  async #done(work: Work): Promise<Happening> {
    const desk = this.#desk;
    switch (work.do) {
      case 'folder':
        return { what: 'folder', found: await desk.folder(work.path) };
      case 'credentials':
        return { what: 'credentials', found: await desk.credentials() };
      case 'buckets':
        return { what: 'buckets', names: await desk.buckets() };
      case 'bucket':
        return { what: 'bucket', found: await desk.bucket(work.name) };
      case 'prefix':
        return { what: 'prefix', prefix: await desk.prefix(work.root, work.bucket, work.prefix) };
      case 'stores':
        return { what: 'stores', stores: await desk.stores() };
      case 'keys':
        return { what: 'keys', keys: await desk.keys(work.store) };
      case 'create':
        return { what: 'created', name: (await desk.createKey(work.store, work.name)).name };
      case 'posture':
        return { what: 'posture', findings: await desk.posture(work.choice) };
      case 'register':
        return { what: 'registered', id: await desk.register(work.choice) };
      default:
        return work satisfies never;
    }
  }

  async #words({ store, name }: Extract<Work, { do: 'create' }>): Promise<Happening> {
    const words = await this.#desk.words(store, name);
    const count = words.use((bytes) => bytes.toString('utf8').split(' ').length);
    return { what: 'words', name, words, positions: positions(count, this.#clock) };
  }

  async #note({ store, name, state }: Extract<Effect, { do: 'note' }>): Promise<void> {
    try {
      await this.#desk.noteWords(store, name, state);
    } catch (thrown) {
      this.#failed('note', thrown);
    }
  }

  #ask(question: string): Promise<Secret> {
    const answer = this.#hidden.ask();
    this.#tell({ what: 'asked', question });
    return answer;
  }
}
