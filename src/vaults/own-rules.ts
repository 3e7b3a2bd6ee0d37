/** A write that a rule of s3vault's own making refuses: which rule, and the command that lifts it. */
import { shellWord } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Mode } from '../model/mode.ts';
import { commandLine, placeFlags } from '../model/place-flags.ts';
import type { Vault } from '../model/vault.ts';
import type { ResolvedRemote } from '../s3/connect.ts';
import type { Explain } from '../s3/explaining.ts';
import { type Guard, modeFlags } from '../s3/posture/guard.ts';
import { ownRuleAgainst } from '../s3/posture/own-rule.ts';
import { guardOf } from './bucket-guards.ts';

/** `from`: the mode that objects come from, where they are being moved to `mode`. */
export function explainOwnRule(
  { remote, root }: Pick<Vault, 'remote' | 'root'>,
  resolved: ResolvedRemote,
  mode: Mode,
  from?: Mode,
): Explain {
  const guard = guardOf(remote.prefix, mode, root);
  let asked: Promise<{ readonly sid: string; readonly prefix: string } | undefined> | undefined;
  return async (error) => {
    if (error.code === 'sse-c-blocked') return error;
    asked ??= ownRuleAgainst(resolved, guard);
    const rule = await asked;
    if (rule === undefined) return error;
    const before = from === undefined ? undefined : guardOf(remote.prefix, from);
    const command = lifting(remote, guard, rule.prefix, before);
    return new VaultError(
      error.kind,
      error.code,
      `the policy of ${remote.bucket} refuses writes in mode ${mode.kind}: its rule ${rule.sid}, which bucket harden made, demands another mode or key`,
      {
        cause: error,
        hint:
          from === undefined
            ? `if this mode and key are right, replace the rule with: ${command}`
            : `let both be written while objects move, then start again: ${command}`,
        ...(error.status === undefined ? {} : { status: error.status }),
      },
    );
  };
}

/** A rule for more than the vault's prefix is replaced where it is made: for all of that. */
function lifting(remote: Vault['remote'], guard: Guard, prefix: string, from: Guard | undefined): string {
  const own = from === undefined || prefix !== guard.prefix ? modeFlags('', from ?? guard) : [];
  return commandLine([
    's3vault bucket harden',
    shellWord(`s3://${remote.bucket}/${prefix}`),
    ...own,
    ...(from === undefined ? [] : modeFlags('to-', guard)),
    placeFlags(remote),
  ]);
}
