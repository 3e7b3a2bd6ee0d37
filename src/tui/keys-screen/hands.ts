/** The one place where the key screen does something: effects in, what came of them out. Holds what is typed hidden. */
import { asVaultError, report } from '../../model/errors.ts';
import type { KeyDesk, KeyRow, RotateProgress } from '../../model/key-desk.ts';
import type { Clock } from '../../model/ports.ts';
import { positions } from '../../model/recovery.ts';
import { Secret } from '../../model/secret.ts';
import { HiddenText } from '../hidden-text.ts';
import { neededBy } from './rows.ts';
import type { Effect, Happening } from './ui.ts';

/** Progress is told so often at most. */
const PROGRESS_MS = 100;

type Work = Extract<
  Effect,
  { do: 'list' | 'create' | 'import' | 'export' | 'words' | 'test' | 'rotate' | 'delete' }
>;

export class Hands {
  readonly #desk: KeyDesk;
  readonly #clock: Clock;
  readonly #tell: (what: Happening) => void;
  readonly #leave: () => void;
  /** Resolves when the screen shows what is under way. */
  drawn: () => Promise<void> = async () => undefined;
  readonly #hidden = new HiddenText();
  #rotation: AbortController | undefined;

  constructor(desk: KeyDesk, clock: Clock, tell: (what: Happening) => void, leave: () => void) {
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
      case 'stop':
        return this.#rotation?.abort();
      case 'lock':
        return this.#desk.lock();
      case 'wipe':
        return effect.words.wipe();
      case 'note':
        return void this.#note(effect);
      case 'leave':
        this.#hidden.clear();
        return this.#leave();
      case 'list':
      case 'create':
      case 'import':
      case 'export':
      case 'words':
      case 'test':
      case 'rotate':
      case 'delete':
        return void this.#work(effect, effect.do === 'import' ? this.#hidden.take() : undefined);
      default:
        return effect satisfies never;
    }
  }

  /** `text`: what was typed hidden, for an import. */
  async #work(effect: Work, text?: Secret): Promise<void> {
    try {
      await this.drawn();
      this.#tell(await this.#done(effect, text));
      if (effect.do === 'create' && effect.kind === 'aes-256') this.#tell(await this.#words(effect.name));
    } catch (thrown) {
      const error = asVaultError(thrown);
      const rows = effect.do === 'list' ? undefined : await this.#desk.list().catch(() => undefined);
      this.#tell({
        what: 'failed',
        error: report(error),
        cancelled: error.kind === 'cancelled',
        ...(rows === undefined ? {} : { rows }),
      });
    }
  }

  async #done(effect: Work, text = new Secret(Buffer.alloc(0))): Promise<Happening> {
    const desk = this.#desk;
    switch (effect.do) {
      case 'list':
        return { what: 'listed', rows: await desk.list() };
      case 'create': {
        const info = await desk.create(effect.name, effect.kind);
        return { what: 'created', info, rows: await desk.list() };
      }
      case 'import':
        return this.#import(effect, text);
      case 'export': {
        const path = await desk.exportTo(effect.name, effect.format, effect.path);
        return { what: 'exported', name: effect.name, path, rows: await desk.list() };
      }
      case 'words':
        return this.#words(effect.name);
      case 'test': {
        const results = await desk.test(effect.name);
        return { what: 'tested', name: effect.name, results, rows: await desk.list() };
      }
      case 'rotate':
        return this.#rotate(effect.name);
      case 'delete':
        return this.#delete(effect);
      default:
        return effect satisfies never;
    }
  }

  async #words(name: string): Promise<Happening> {
    const words = await this.#desk.words(name);
    const count = words.use((bytes) => bytes.toString('utf8').split(' ').length);
    return { what: 'words', name, words, positions: positions(count, this.#clock) };
  }

  async #import({ name, format }: Extract<Work, { do: 'import' }>, text: Secret): Promise<Happening> {
    const info = await this.#desk.bringIn(name, format, text);
    // Whoever has typed all of them has them.
    if (format === 'words') await this.#desk.noteWords(name, 'checked');
    return { what: 'imported', info, rows: await this.#desk.list() };
  }

  async #rotate(name: string): Promise<Happening> {
    const stop = new AbortController();
    this.#rotation = stop;
    let last: RotateProgress | undefined;
    let callOff: (() => void) | undefined;
    const tell = (): void => {
      callOff = undefined;
      if (last !== undefined) this.#tell({ what: 'progress', progress: last });
    };
    const onProgress = (progress: RotateProgress): void => {
      last = progress;
      callOff ??= this.#clock.after(PROGRESS_MS, tell);
    };
    try {
      const end = await this.#desk.rotate(name, onProgress, stop.signal);
      return { what: 'rotated', name, end, rows: await this.#desk.list() };
    } finally {
      callOff?.();
      this.#rotation = undefined;
    }
  }

  async #delete({ name, needs }: Extract<Work, { do: 'delete' }>): Promise<Happening> {
    const row = (await this.#desk.list()).find((one) => one.name === name);
    if (row !== undefined && needsMore(row, needs))
      return { what: 'still-needed', name, rows: await this.#desk.list() };
    await this.#desk.remove(name);
    return { what: 'deleted', name, rows: await this.#desk.list() };
  }

  async #note({ name, state }: Extract<Effect, { do: 'note' }>): Promise<void> {
    try {
      await this.#desk.noteWords(name, state);
      this.#tell({ what: 'noted', rows: await this.#desk.list() });
    } catch (thrown) {
      this.#tell({ what: 'failed', error: report(asVaultError(thrown)), cancelled: false });
    }
  }

  #ask(question: string): Promise<Secret> {
    const answer = this.#hidden.ask();
    this.#tell({ what: 'asked', question });
    return answer;
  }
}

/** Something needs the key that did not when the user agreed. */
const needsMore = (row: KeyRow, agreed: readonly string[]): boolean =>
  neededBy(row).some((need) => !agreed.includes(need));
