/** Parts of a bucket that are written in one mode, and the command lines about them. */
import type { TrialHow } from '../../model/bucket.ts';
import { shellWord } from '../../model/display.ts';
import type { ModeKind } from '../../model/mode.ts';
import { commandLine } from '../../model/place-flags.ts';

export { commandLine, remoteFlags } from '../../model/place-flags.ts';

/** How objects are written. */
export interface Way {
  readonly mode: ModeKind;
  /** KMS modes: the key as it is sent, and the encryption context that goes with it. */
  readonly kmsKeyId?: string;
  readonly context?: Readonly<Record<string, string>>;
  /** KMS modes: the key as the store names it in its answers (its ARN on AWS); undefined while that is not known. */
  readonly kmsKey?: string;
  /** What is sent of a Bucket Key; undefined: nothing. */
  readonly bucketKey?: boolean;
}

/** Part of a bucket that is written in one mode: a vault's prefix, or the whole bucket. */
export interface Guard extends Way {
  /** Empty, or ends with `/`. */
  readonly prefix: string;
  /** The folder whose vault it is; undefined where a mode was named on the command line. */
  readonly vault?: string;
  /** A rekey is under way, or about to begin: writes in this way are its own as well. */
  readonly next?: Way;
}

/** A guard once for each way in which is written there. */
export function sides({ next, ...guard }: Guard): readonly Guard[] {
  if (next === undefined) return [guard];
  const { prefix, vault } = guard;
  return [guard, { ...next, prefix, ...(vault === undefined ? {} : { vault }) }];
}

export const isKms = ({ mode }: Pick<Way, 'mode'>): boolean => mode === 'sse-kms' || mode === 'dsse-kms';

/** A KMS key whose name in the store's answers is not known: no rule can be made of it. */
export const isUnnamed = (way: Way): boolean => isKms(way) && way.kmsKey === undefined;

/** The bucket that rules are about. */
export interface Ground {
  readonly bucket: string;
  readonly region: string;
  readonly isAws: boolean;
  /** Options that say how the store is reached, as they must be repeated in commands. */
  readonly flags?: string;
}

/** A write as the vault makes it. */
export function ownWay({ mode, kmsKeyId, kmsKey, context = {} }: Way): TrialHow {
  switch (mode) {
    case 'client':
      return { kind: 'plain' };
    case 'sse-c':
    case 'sse-s3':
      return { kind: mode };
    case 'sse-kms':
    case 'dsse-kms':
      return { kind: mode, keyId: kmsKeyId ?? kmsKey ?? '', context };
    default:
      return mode satisfies never;
  }
}

/** What mends the findings: the same command line that was asked about. */
export function hardenCommand(ground: Ground, guards: readonly Guard[]): string {
  const { bucket } = ground;
  const named = guards.find(({ vault }) => vault === undefined);
  const place = named === undefined ? bucket : placeOf(bucket, named.prefix);
  return commandLine([
    's3vault bucket harden',
    shellWord(place),
    ...(named === undefined ? [] : [...modeFlags('', named), ...contextFlags(named)]),
    ground.flags ?? '',
  ]);
}

export const placeOf = (bucket: string, prefix: string): string =>
  prefix === '' ? bucket : `s3://${bucket}/${prefix}`;

/** `--mode` and `--kms-key`, or with `to-` those of what a rekey moves to. */
export function modeFlags(to: '' | 'to-', { mode, kmsKeyId }: Way): readonly string[] {
  return [
    `--${to}mode ${mode}`,
    ...(kmsKeyId === undefined ? [] : [`--${to}kms-key ${shellWord(kmsKeyId)}`]),
  ];
}

const contextFlags = ({ context = {} }: Way): readonly string[] =>
  Object.entries(context).map(([name, value]) => `--kms-context ${shellWord(`${name}=${value}`)}`);
