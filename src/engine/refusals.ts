/** Why a Command is not done. */
import { type RelPath, relPath } from '../model/brands.ts';
import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import { pathFault } from '../model/path-fault.ts';

export const planChanged = (now: string): VaultError =>
  new VaultError('consent', 'plan-changed', `the plan has changed: ${now} now`, {
    hint: 'look again, then answer; nothing was done',
  });

export const notAsked = (): VaultError =>
  new VaultError('usage', 'not-asked', 'that question is no longer open', {
    hint: 'it was answered elsewhere, or a new scan has begun; this answer did nothing',
  });

/** Characters of a path that a refusal shows. */
const SHOWN = 100;

/** The path that a Command is about. Throws kind `usage` where none in the vault's folder can be meant. */
export function pathIn(text: string): RelPath {
  const fault = pathFault(text);
  if (fault === undefined) return relPath(text);
  const short = text.length > SHOWN ? `${text.slice(0, SHOWN).toWellFormed()}…` : text;
  throw new VaultError('usage', 'bad-path', `${short === '' ? 'this path' : safeName(short)} ${fault}`, {
    hint: 'give paths relative to the folder, like photos/a.jpg; an object with such a name is left alone until it is renamed in the bucket',
  });
}

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
