import type { VaultError } from '../model/errors.ts';
import type { EngineState } from '../model/event.ts';
import type { Emitter } from './emitter.ts';
import type { Hints } from './hints.ts';
import type { Online } from './online.ts';
import type { Skips } from './skips.ts';
import type { Standing } from './standing.ts';
import type { EngineParts } from './world.ts';

/** What the pieces of an engine have in common. */
export interface Shared {
  readonly parts: EngineParts;
  readonly emitter: Emitter;
  readonly hints: Hints;
  readonly skips: Skips;
  readonly online: Online;
  readonly standing: Standing;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
  /** Ends the engine with this error. */
  readonly fail: (error: VaultError) => void;
  readonly state: (state: EngineState) => void;
}
