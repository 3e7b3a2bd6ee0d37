/** What must be known and in order before changes of the bucket are let into the folder. */
import { VaultError } from '../model/errors.ts';
import type { ConditionSupport } from '../model/ports.ts';
import type { Emitter } from './emitter.ts';
import { type EngineParts, writerOf } from './world.ts';

const META_CONDITIONS = 'conditions';

const SUPPORT: ReadonlySet<string> = new Set(['kept', 'ignored', 'refused'] satisfies ConditionSupport[]);
const isSupport = (text: string | undefined): text is ConditionSupport =>
  text !== undefined && SUPPORT.has(text);

/** Refuses a key that can't open, clears away what a killed run left, and learns once what conditions are worth here. */
export async function prepareTwoWay(
  parts: EngineParts,
  emitter: Emitter,
  signal: AbortSignal,
): Promise<void> {
  const { sealing, vault, index, store } = parts;
  if (sealing.keyring?.canOpen === false) {
    throw new VaultError(
      'usage',
      'encrypt-only',
      `direction ${vault.direction} needs a key that opens; this one only seals`,
      {
        hint: 'use the private key, or --direction push',
      },
    );
  }
  for (const path of await writerOf(parts).sweep()) {
    emitter.emit({
      event: 'warning',
      code: 'left-behind',
      path,
      message: `${path} was taken out of the folder when a run was killed`,
      hint: 'look at it; move it back if you need it, else remove it',
    });
  }
  if (vault.direction !== 'both') return;
  // What doctor saw counts as well.
  const known = vault.capabilities?.conditions ?? index.meta(META_CONDITIONS);
  const support = await store.conditions(vault.remote.prefix, {
    signal,
    ...(isSupport(known) ? { known } : {}),
  });
  if (support === known) return;
  index.setMeta(META_CONDITIONS, support);
  if (support === 'kept') return;
  emitter.emit({
    event: 'warning',
    code: 'no-conditions',
    message:
      'this store does not keep conditions of writes; the object is looked at before and after instead',
    hint: 'two machines that write the same file in the same moment can go over each other: turn versioning on',
  });
}
