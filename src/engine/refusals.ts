/** Why a Command is not done. */
import type { RelPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';

export const planChanged = (now: string): VaultError =>
  new VaultError('consent', 'plan-changed', `the plan has changed: ${now} now`, {
    hint: 'look again, then answer; nothing was done',
  });

export const notWaiting = (path: RelPath): VaultError =>
  new VaultError(
    'usage',
    'not-waiting',
    `${safeName(path)} does not wait any more: it is under way, or done`,
    {
      hint: 'what is under way is not called off; the activity tells what came of it',
    },
  );

export const ending = (): VaultError =>
  new VaultError('usage', 'ending', 'this sync is ending', { hint: 'nothing is lost; start it again' });

export const notLookedAt = (): VaultError =>
  new VaultError('usage', 'declined', 'the first plan was refused: nothing is looked at', {
    hint: 'p goes on, and asks again',
  });
