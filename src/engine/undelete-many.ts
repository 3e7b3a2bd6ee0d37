/** Many removals taken back, some at a time; one that cannot be holds no other one back. */
import { type VaultError, asVaultError } from '../model/errors.ts';
import { Failures } from './restore-failures.ts';
import type { History } from './undelete.ts';
import { inTurn } from './written.ts';

export interface TakenBack {
  readonly history: History;
  /** Why it stays removed. */
  readonly error?: VaultError;
}

/**
 * `take` on each of `histories`, in their order, `together` at a time; they are read no further ahead than that. Rejects with
 * what concerns all of them, or ends the reading of `histories`, once what was under way has ended and was given.
 */
export async function* undeleteEach(
  histories: AsyncIterable<History>,
  take: (history: History) => Promise<void>,
  together: number,
): AsyncIterable<TakenBack> {
  const failures = new Failures();
  const reading = async function* (): AsyncIterable<History> {
    try {
      for await (const history of histories) {
        yield history;
        if (failures.fatal !== undefined) return;
      }
    } catch (thrown) {
      failures.end(asVaultError(thrown));
    }
  };
  const one = async (history: History): Promise<TakenBack> => {
    try {
      await take(history);
      failures.succeeded();
      return { history };
    } catch (thrown) {
      const error = asVaultError(thrown);
      const fatal = error.kind === 'cancelled' ? error : failures.note(error);
      if (fatal !== undefined) failures.end(fatal);
      return { history, error };
    }
  };
  yield* inTurn(reading(), one, together);
  if (failures.fatal !== undefined) throw failures.fatal;
}
