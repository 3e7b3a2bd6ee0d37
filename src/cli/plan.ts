import { formatBytes, safeName } from '../model/display.ts';
import { type Action, bytesOf } from '../model/plan.ts';
import type { Vault } from '../model/vault.ts';
import { openVault } from '../vaults/open.ts';
import type { OpenOptions } from '../vaults/options.ts';
import { PlanDraft } from './plan-file.ts';
import { printJson, printPlain } from './print.ts';

export interface PlanFlags {
  readonly json?: boolean;
  /** Also written to this file, for `apply`. */
  readonly plan?: string;
}

/** `--dry-run` and `--plan`: says what a sync would do and does nothing. */
export async function planCommand(vault: Vault, options: OpenOptions, flags: PlanFlags): Promise<number> {
  const { json = false, plan } = flags;
  // A plan that is kept says what stands in the bucket too.
  const checkRemote = options.checkRemote || plan !== undefined;
  const open = await openVault(vault, { ...options, once: true, checkRemote });
  if (json) printJson(open.engine, process.stdout);
  else printPlain(open.engine, process.stdout, process.stderr);
  const draft = new PlanDraft(vault);
  const { exit } = await open.preview((action) => {
    if (!json) process.stdout.write(`${actionLine(action)}\n`);
    draft.add(action);
  });
  if (plan !== undefined) await draft.write(plan);
  if (plan !== undefined && !json)
    process.stdout.write(`written to ${plan}; do it with: s3vault apply ${plan}\n`);
  return exit;
}

/** One Action as a line: what would be done, to what, and why. */
export function actionLine(action: Action): string {
  const path = safeName(action.path);
  switch (action.kind) {
    case 'put':
      return `send    ${path}  ${formatBytes(bytesOf(action))}  ${action.reason}`;
    case 'get':
      return `fetch   ${path}  ${formatBytes(bytesOf(action))}  ${action.reason}`;
    case 'remove-remote':
      return `remove  ${path}  in the bucket  ${action.reason}`;
    case 'remove-local':
      return `remove  ${path}  here  ${action.reason}`;
    case 'conflict':
      return `clash   ${path}  ${action.reason}`;
    case 'forget':
      return `forget  ${path}  ${action.reason}`;
    case 'skip':
      return `skip    ${path}  ${action.reason}`;
    default:
      return action satisfies never;
  }
}
