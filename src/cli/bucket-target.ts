/** Which bucket a posture command is about, how it is reached, and which vaults are in it. */
import { type Places, parseTarget, places, readConfig } from '../config.ts';
import type { SettingName } from '../model/bucket.ts';
import { VaultError } from '../model/errors.ts';
import type { Mode } from '../model/mode.ts';
import type { Remote, Vault } from '../model/vault.ts';
import {
  type Guard,
  type OpenPosture,
  guardOf,
  guardText,
  guardsOf,
  openPosture,
  remoteFlags,
  vaultsIn,
  wayOf,
} from '../vaults/bucket.ts';
import type { RemoteFlags } from './options.ts';
import { modeOf, remoteOf } from './register.ts';

export interface BucketFlags extends RemoteFlags {
  readonly mode?: string;
  readonly kmsKey?: string;
  readonly kmsContext?: Readonly<Record<string, string>>;
  readonly toMode?: string;
  readonly toKmsKey?: string;
  readonly json?: boolean;
}

export interface HardenFlags extends BucketFlags {
  readonly allowSseC?: boolean;
  readonly expireVersions?: number;
  readonly only?: readonly SettingName[];
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export interface Target {
  readonly posture: OpenPosture;
  readonly where: Places;
  readonly bucket: string;
  /** What the rules are for: `--mode`, or the vaults in the bucket. */
  readonly guards: readonly Guard[];
  /** Vaults of this machine that must go on working. */
  readonly vaults: readonly Guard[];
}

/** Nothing is sent yet. */
export async function targetOf(text: string, flags: BucketFlags): Promise<Target> {
  const { bucket, prefix } = parseTarget(text.startsWith('s3://') ? text : `s3://${text}`);
  const where = places(process.env);
  const said = remoteOf(flags);
  const found = await vaultsIn(await readConfig(where), bucket, said, process.env);
  const vaults = guardsOf(found);
  const guards = guardsFor({ bucket, prefix }, flags, vaults);
  const remote = reached(bucket, said, found);
  const kms = { places: where, rules: found[0]?.rules };
  const posture = await openPosture(remote, process.env, { flags: remoteFlags(said), kms });
  return { posture, where, bucket, guards, vaults };
}

function guardsFor(place: Place, flags: BucketFlags, vaults: readonly Guard[]): readonly Guard[] {
  const { toMode, kmsKey } = flags;
  const named =
    flags.mode === undefined ? vaults : [guardOf(place.prefix, namedMode(flags.mode, kmsKey, flags))];
  if (toMode === undefined) return named;
  const next = wayOf(namedMode(toMode, flags.toKmsKey, flags));
  const moved = named.filter(({ prefix }) => prefix === place.prefix);
  if (moved.length === 0) throw noneThere(place, vaults);
  return named.map((guard) => (moved.includes(guard) ? { ...guard, next } : guard));
}

type Place = Pick<Remote, 'bucket' | 'prefix'>;

function noneThere({ bucket, prefix }: Place, vaults: readonly Guard[]): VaultError {
  const places = vaults.map((vault) => `s3://${bucket}/${vault.prefix}`);
  return new VaultError(
    'usage',
    'no-vault-there',
    `no vault of this machine is at s3://${bucket}/${prefix}, so it is not known what moves to another mode`,
    {
      hint:
        places.length === 0
          ? 'say with --mode how it is written now'
          : `vaults are at ${places.join(', ')}; or say with --mode how it is written now`,
    },
  );
}

/** The name of the key does not matter here: no key of a person is read. */
function namedMode(mode: string, kmsKey: string | undefined, { kmsContext }: BucketFlags): Mode {
  const kms = kmsKey === undefined ? {} : { kmsKey };
  const context = kmsContext === undefined ? {} : { kmsContext };
  return modeOf({ mode, key: 'any', ...kms, ...context });
}

/** As the vaults in the bucket reach it, unless the command line says otherwise. */
function reached(bucket: string, said: Omit<Remote, 'bucket' | 'prefix'>, [vault]: readonly Vault[]): Remote {
  return { ...vault?.remote, ...said, bucket, prefix: '' };
}

/** For messages: what the rules are for. */
export function guardsText(guards: readonly Guard[]): string {
  return guards.length === 0
    ? 'no vault of this machine is in it; --mode says what else to look at'
    : guards.map(guardText).join(', ');
}

/** A KMS key that no rule can name, and what to do. */
export const unnamedText = (keyId: string, more = ''): readonly [message: string, hint: string] => [
  `no rule says that only the KMS key ${keyId} may be used, for which key the store takes it for is not known`,
  `name the key itself: --kms-key arn:aws:kms:REGION:ACCOUNT:key/ID${more}`,
];

export function notAgreed(): VaultError {
  return new VaultError('consent', 'not-agreed', 'nothing was changed: nobody agreed', {
    hint: 'answer on a terminal, or agree with --yes; --dry-run shows the change',
  });
}
