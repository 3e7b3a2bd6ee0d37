import type { VaultError } from './errors.ts';
import type { Event } from './event.ts';
import type { HistoryAsk, HistoryWindow } from './history.ts';
import type { QueueAsk, QueueWindow } from './queue.ts';
import type { Snapshot } from './snapshot.ts';

/** What a screen, a socket client or a signal may ask of a running engine. Never an edit of its state. */
export type Command =
  | { readonly command: 'pause' }
  | { readonly command: 'resume' }
  | { readonly command: 'rescan' }
  /** Failed paths are tried now; without paths, all of them. */
  | { readonly command: 'retry'; readonly paths?: readonly string[] }
  /** A queued path goes first. */
  | { readonly command: 'first'; readonly path: string }
  /** A queued path is left out until it changes, or is tried again. */
  | { readonly command: 'skip'; readonly path: string }
  /** `question`: the number of the question that was shown, where it had one. A yes to another one is not taken. */
  | { readonly command: 'consent'; readonly yes: boolean; readonly question?: number }
  /**
   * Ends after what is under way, but calls off what takes longer than seconds; a second one ends at once. `patient`: waits
   * as long as it takes, until one without it follows.
   */
  | { readonly command: 'stop'; readonly patient?: true };

/** A running engine as screens see it, in this process or at the other end of a socket. */
export interface EngineHandle {
  /** Events from now on, in order. Returns the function that ends it. */
  subscribe(listener: (event: Event) => void): () => void;
  snapshot(): Snapshot;
  /**
   * Where it is not done, `onRefused` hears why, at once or when the other end of a socket has answered; an engine in this
   * process throws it instead (kinds `usage` and `consent`).
   */
  command(command: Command, onRefused?: (why: VaultError) => void): void;
  /**
   * What waits, as a window over all of it. Takes its time where much waits, and holds nobody up. Left out where nothing
   * waits for long, and by a daemon that cannot answer yet: then the Snapshot has what there is to know.
   */
  queue?(ask: QueueAsk): Promise<QueueWindow>;
  /** What happened, in this run and before, in the same way. */
  history?(ask: HistoryAsk): Promise<HistoryWindow>;
  /** Resolves when the engine has ended. */
  readonly ended: Promise<Outcome>;
}

export interface Outcome {
  readonly exit: number;
}
