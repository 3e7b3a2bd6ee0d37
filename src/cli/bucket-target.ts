/** Which bucket a posture command is about, how it is reached, and which vaults are in it. */
import { resolve } from 'node:path';
import { type Places, parseTarget, places, readConfig } from '../config.ts';
import { VaultError } from '../model/errors.ts';
import type { SettingName } from '../model/bucket.ts';
import type { Remote, Vault } from '../model/vault.ts';
import { type Guard, type OpenPosture, guardOf, guardsOf, openPosture, vaultsIn } from '../vaults/bucket.ts';
import type { RemoteFlags } from './options.ts';
import { modeOf } from './register.ts';

export interface BucketFlags extends RemoteFlags {
  readonly mode?: string;
  readonly kmsKey?: string;
  readonly kmsContext?: Readonly<Record<string, string>>;
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
  readonly needs: readonly Guard[];
}

/** Nothing is sent yet. */
export async function targetOf(text: string, flags: BucketFlags): Promise<Target> {
  const { bucket, prefix } = parseTarget(text.startsWith('s3://') ? text : `s3://${text}`);
  const where = places(process.env);
  const vaults = vaultsIn(await readConfig(where), bucket, flags.endpoint);
  const own = guardsOf(vaults);
  const guards = flags.mode === undefined ? own.guards : [guardOf(prefix, namedMode(flags))];
  const posture = await openPosture(remoteOf(bucket, flags, vaults), process.env);
  return { posture, where, bucket, guards, needs: own.needs };
}

/** The name of the key does not matter here: no key of a person is read. */
function namedMode(flags: BucketFlags): ReturnType<typeof modeOf> {
  const kms = flags.kmsKey === undefined ? {} : { kmsKey: flags.kmsKey };
  const context = flags.kmsContext === undefined ? {} : { kmsContext: flags.kmsContext };
  return modeOf({ mode: flags.mode ?? 'client', key: 'any', ...kms, ...context });
}

/** As the vaults in the bucket reach it, unless the command line says otherwise. */
function remoteOf(bucket: string, flags: BucketFlags, [vault]: readonly Vault[]): Remote {
  const { endpoint, region, profile, pathStyle, caBundle, tlsMin } = flags;
  const known = vault?.remote;
  return {
    ...known,
    bucket,
    prefix: '',
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
    ...(pathStyle === undefined ? {} : { pathStyle }),
    ...(caBundle === undefined ? {} : { caBundle: resolve(caBundle) }),
    ...(tlsMin === undefined ? {} : { tlsMin }),
  };
}

/** For messages: what the rules are for. */
export function guardsText(guards: readonly Guard[]): string {
  if (guards.length === 0) return 'no vault of this machine is in it; --mode says what else to look at';
  return guards
    .map(({ vault, mode, prefix }) => {
      const place = prefix === '' ? 'the whole bucket' : prefix;
      return vault === undefined ? `mode ${mode} in ${place}` : `the vault ${vault} (${mode}, ${place})`;
    })
    .join(', ');
}

export function notAgreed(): VaultError {
  return new VaultError('consent', 'not-agreed', 'nothing was changed: nobody agreed', {
    hint: 'answer on a terminal, or agree with --yes; --dry-run shows the change',
  });
}
