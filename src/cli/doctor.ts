/** `s3vault doctor`: says what is wrong, the cause first, and what to do. */
import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import {
  type Config,
  type Places,
  changeConfig,
  findVault,
  parseTarget,
  places,
  readConfig,
} from '../config.ts';
import { formatDuration } from '../model/display.ts';
import type { Capabilities, Check, CheckName } from '../model/doctor.ts';
import { EXIT, VaultError, asVaultError } from '../model/errors.ts';
import type { Vault } from '../model/vault.ts';
import { sameBucket } from '../vaults/bucket-guards.ts';
import { capabilitiesOf, causeOf, checksOf, exitOf } from '../vaults/doctor/checks.ts';
import { type Patient, gatherFacts } from '../vaults/doctor/facts.ts';
import { hung } from './lines.ts';
import type { KeyFlags, VaultFlags } from './options.ts';
import type { Output } from './print.ts';
import { kmsRulesOf } from './place.ts';
import { modeOf, remoteOf } from './register.ts';
import { openOptions } from './sync.ts';

export interface DoctorFlags extends VaultFlags, KeyFlags {
  readonly json?: boolean;
}

export async function doctorCommand(
  dir: string | undefined,
  flags: DoctorFlags,
  out: Output = process.stdout,
): Promise<number> {
  const where = places(process.env);
  const config = await readConfig(where);
  const patients = patientsOf(dir, flags, config);
  let exit: number = EXIT.inStep;
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal).once('SIGHUP', onSignal);
  try {
    for (const [at, patient] of patients.entries()) {
      if (at > 0 && flags.json !== true) out.write('\n');
      const code = await examine(patient, flags, { where, config, out, signal: stop.signal });
      if (stop.signal.aborted) return EXIT.interrupted;
      if (exit === EXIT.inStep) exit = code;
    }
  } catch (thrown) {
    throw interrupted(asVaultError(thrown));
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('SIGHUP', onSignal);
  }
  return exit;
}

/** A second signal ends the program at once; the first one lets it remove its test object. */
function interrupted(error: VaultError): VaultError {
  if (error.kind !== 'cancelled' || error.code !== 'cancelled') return error;
  return new VaultError('cancelled', 'interrupted', 'doctor was interrupted', {
    cause: error,
    hint: 'nothing that it wrote is left in the bucket',
  });
}

type Known = Patient & { readonly vault?: Vault; readonly moving?: 'from' | 'to' };

/** A vault, a place to be, or all vaults. */
function patientsOf(dir: string | undefined, flags: DoctorFlags, config: Config): readonly Known[] {
  const root = dir === undefined ? undefined : resolve(dir);
  if (flags.to !== undefined) return [newPatient(flags.to, flags, root)];
  if (root !== undefined) {
    const vault = findVault(config, root);
    if (vault !== undefined) return asPatients(vault, flags);
    throw new VaultError('usage', 'not-registered', `${root} is not a vault`, {
      hint: 'say where it is to go: s3vault doctor DIR --to s3://BUCKET/PREFIX; s3vault vaults lists those that are',
    });
  }
  if (config.vaults.length > 0) return config.vaults.flatMap((vault) => asPatients(vault, flags));
  throw new VaultError('usage', 'no-vault', 'there is no vault yet to look at', {
    hint: 'say which bucket: s3vault doctor --to s3://BUCKET/PREFIX',
  });
}

/** Amid a rekey objects are under both modes, and a run needs both to work; what is remembered is of the one they leave. */
function asPatients(vault: Vault, flags: DoctorFlags): readonly Known[] {
  const keyStore = flags.keyStore ?? vault.keyStore;
  const { mode, rekeyTo } = vault;
  const patient = {
    remote: { ...vault.remote, ...remoteOf(flags) },
    root: vault.root,
    rules: { ...vault.rules, ...kmsRulesOf(flags) },
    ...(keyStore === undefined ? {} : { keyStore }),
  };
  if (rekeyTo === undefined) return [{ ...patient, mode, vault }];
  return [
    { ...patient, mode, vault, moving: 'from' },
    { ...patient, mode: rekeyTo, vault, moving: 'to' },
  ];
}

/** Without a key that was named, the place where keys are is looked at. */
function newPatient(to: string, flags: DoctorFlags, root: string | undefined): Known {
  const { bucket, prefix } = parseTarget(to);
  return {
    remote: { bucket, prefix, ...remoteOf(flags) },
    mode: modeOf({ key: '', ...flags }),
    rules: kmsRulesOf(flags),
    ...(root === undefined ? {} : { root }),
    ...(flags.keyStore === undefined ? {} : { keyStore: flags.keyStore }),
  };
}

interface Surgery {
  readonly where: Places;
  readonly config: Config;
  readonly out: Output;
  readonly signal: AbortSignal;
}

async function examine(
  patient: Known,
  flags: DoctorFlags,
  { where, config, out, signal }: Surgery,
): Promise<number> {
  const began = systemClock.ticks();
  const options = { ...openOptions(flags, where, config), clock: systemClock };
  const facts = await gatherFacts(patient, options, { signal });
  const checks = checksOf(facts);
  const time = new Date(systemClock.now()).toISOString();
  const capabilities = capabilitiesOf(facts, time);
  const { vault, moving } = patient;
  const own = vault === undefined || (await sameBucket(patient.remote, vault.remote, process.env));
  if (vault !== undefined && moving !== 'to' && own && capabilities !== undefined)
    await remember(vault, capabilities, where);
  if (flags.json === true) printJsonChecks(patient, checks, capabilities, time, out);
  else {
    out.write(reportText(patient, checks, systemClock.ticks() - began));
    if (!own) out.write('this is not the store of the vault, so nothing of it is remembered\n');
  }
  return exitOf(checks);
}

/** A vault that has moved meanwhile knows nothing of its new store. */
async function remember(vault: Vault, capabilities: Capabilities, where: Places): Promise<void> {
  await changeConfig(where, (config) => ({
    ...config,
    vaults: config.vaults.map((other) =>
      other.id === vault.id && other.remote.endpoint === vault.remote.endpoint
        ? { ...other, capabilities }
        : other,
    ),
  }));
}

const TITLES: { readonly [N in CheckName]: string } = {
  node: 'Node',
  keys: 'keys',
  credentials: 'credentials',
  clock: 'clock',
  tls: 'TLS',
  bucket: 'bucket',
  region: 'region',
  'sse-c': 'SSE-C',
  kms: 'KMS',
  watch: 'watching',
  checksums: 'checksums',
  conditions: 'conditional writes',
  copy: 'copying',
  versioning: 'versioning',
  modes: 'proofs',
};

const SIGNS: { readonly [S in Check['state']]: string } = {
  pass: '✓ ok',
  warn: '! warn',
  fail: '✗ fail',
  unknown: '? unknown',
};

const SIGN_WIDTH = 10;
const TITLE_WIDTH = 20;

const MOVING = { from: ', which a rekey moves objects from', to: ', which it moves them to' } as const;

export function reportText(
  { root, remote, mode, moving }: Known,
  checks: readonly Check[],
  ms: number,
): string {
  const place = `s3://${remote.bucket}/${remote.prefix}`;
  const head = hung(
    '',
    `${root === undefined ? '' : `${root}  →  `}${place}, mode ${mode.kind}${moving === undefined ? '' : MOVING[moving]}`,
    2,
  );
  const cause = causeOf(checks);
  const lines = checks.map(({ check, state, message, hint }) => {
    const said = state === 'unknown' && check !== cause?.check ? referring(message, cause) : message;
    const lead = `${SIGNS[state].padEnd(SIGN_WIDTH)}${TITLES[check].padEnd(TITLE_WIDTH)}`;
    const way = hint === undefined ? '' : hung(`${' '.repeat(lead.length)}→ `, hint);
    return hung(lead, said) + way;
  });
  return `${head}${causeText(checks)}\n${lines.join('')}\nlooked at in ${formatDuration(ms)}\n`;
}

/** The reason stands at the top already. */
function referring(message: string, cause: Check | undefined): string {
  const [lead = '', ...reason] = message.split(': ');
  if (cause === undefined || cause.state === 'warn' || reason.length === 0) return message;
  return cause.message.includes(reason.join(': ')) ? `${lead}: see ${TITLES[cause.check]}` : message;
}

const LEADS: { readonly [S in Check['state']]: readonly [sign: string, lead: string] } = {
  pass: ['✓ ', ''],
  warn: ['! ', 'works; but '],
  fail: ['✗ ', ''],
  unknown: ['? ', 'not everything could be tried; '],
};

function causeText(checks: readonly Check[]): string {
  const cause = causeOf(checks);
  if (cause === undefined) return soundText(checks);
  const way = cause.hint === undefined ? '' : hung('  → ', cause.hint);
  const [sign, lead] = LEADS[cause.state];
  return hung(sign, `${lead}${TITLES[cause.check]}: ${cause.message}`) + way;
}

/** Unknown is never taken for fine. */
function soundText(checks: readonly Check[]): string {
  const unknown = checks.filter(({ state }) => state === 'unknown').map(({ check }) => TITLES[check]);
  return unknown.length === 0
    ? '✓ nothing is wrong\n'
    : hung('✓ ', `nothing is wrong as far as could be seen; unknown: ${unknown.join(', ')}`);
}

function printJsonChecks(
  { root, remote, mode }: Patient,
  checks: readonly Check[],
  capabilities: Capabilities | undefined,
  time: string,
  out: Output,
): void {
  const cause = causeOf(checks);
  for (const check of checks) out.write(`${JSON.stringify({ event: 'check', time, ...check })}\n`);
  out.write(
    `${JSON.stringify({
      event: 'summary',
      time,
      ...(root === undefined ? {} : { root }),
      target: `s3://${remote.bucket}/${remote.prefix}`,
      mode: mode.kind,
      cause: cause?.check ?? null,
      ...(capabilities === undefined ? {} : { capabilities }),
      exit: exitOf(checks),
    })}\n`,
  );
}
