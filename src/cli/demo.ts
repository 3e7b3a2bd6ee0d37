import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { places } from '../config.ts';
import { type EmbeddedServer, startEmbedded } from '../embedded/server.ts';
import { objectKey, vaultId } from '../model/brands.ts';
import { formatBytes } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { KeyMaterial } from '../model/keyref.ts';
import { MODE_KINDS, type Mode, type ModeKind } from '../model/mode.ts';
import { Secret } from '../model/secret.ts';
import type { Vault } from '../model/vault.ts';
import { vaultConflicts } from '../vaults/conflicts.ts';
import { temporaryKey } from '../vaults/keys.ts';
import { type OpenVault, openVault } from '../vaults/open.ts';
import type { OpenOptions } from '../vaults/options.ts';
import { openBrowser } from './browser.ts';
import { makeDemoHome, sweepDemoHomes } from './demo-home.ts';
import { changeSamples, writeSamples } from './demo-samples.ts';
import { placeOfVault } from './place.ts';
import { postureDesk } from './posture.ts';
import { printJson, printPlain } from './print.ts';
import { runToEnd } from './run-engine.ts';
import { onTerminal } from './on-terminal.ts';

export interface DemoFlags {
  readonly mode?: string;
  readonly once?: boolean;
  readonly plain?: boolean;
  readonly json?: boolean;
  readonly seconds?: number;
}

const BUCKET = 'demo-vault';
const KMS_KEY = 'demo-key';
const KEY = 'demo';
/** The file whose stored bytes are shown at the end. */
const SHOWN = 'notes/welcome.md';

/**
 * `s3vault demo`: the main work with nothing to set up. All of it is the real thing (TLS, signing, encryption, proof)
 * but the store, which lives in this process and is gone afterwards.
 */
export async function demoCommand(flags: DemoFlags): Promise<number> {
  const kind = await chooseMode(flags);
  await sweepDemoHomes();
  const home = await makeDemoHome();
  const server = await startEmbedded({ kmsKeys: [{ id: KMS_KEY }] });
  try {
    return await runDemo(home, server, kind, flags);
  } finally {
    await server.close();
    await rm(home, { recursive: true, force: true });
  }
}

function isModeKind(text: string): text is ModeKind {
  return (MODE_KINDS as readonly string[]).includes(text);
}

async function chooseMode(flags: DemoFlags): Promise<ModeKind> {
  if (flags.mode !== undefined) {
    if (isModeKind(flags.mode)) return flags.mode;
    throw new VaultError('usage', 'unknown-mode', `there is no mode ${flags.mode}`, {
      hint: `use one of ${MODE_KINDS.join(', ')}`,
    });
  }
  if (!showsScreen(flags)) return 'client';
  return askMode();
}

const showsScreen = (flags: DemoFlags): boolean =>
  onTerminal() && flags.plain !== true && flags.json !== true && flags.once !== true;

const MODE_WORDS: { readonly [K in ModeKind]: string } = {
  client: 'sealed on this machine before it is sent; only you hold the key',
  'sse-c': 'the store encrypts with a key that every request carries',
  'sse-kms': 'the store encrypts with a key held by KMS',
  'dsse-kms': 'as sse-kms, in two layers',
  'sse-s3': 'the store encrypts with a key of its own',
};

async function askMode(): Promise<ModeKind> {
  const { createInterface } = await import('node:readline/promises');
  const lines = MODE_KINDS.map((kind, at) => `  ${at + 1}  ${kind.padEnd(9)} ${MODE_WORDS[kind]}`);
  process.stdout.write(`How should the sample files be protected?\n${lines.join('\n')}\n`);
  const ask = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = (await ask.question('mode [1]: ')).trim();
    const chosen = answer === '' ? 'client' : (MODE_KINDS[Number(answer) - 1] ?? answer);
    return isModeKind(chosen) ? chosen : 'client';
  } finally {
    ask.close();
  }
}

async function runDemo(
  home: string,
  server: EmbeddedServer,
  kind: ModeKind,
  flags: DemoFlags,
): Promise<number> {
  const root = join(home, 'sample-folder');
  await mkdir(root);
  await writeSamples(root);
  server.createBucket(BUCKET);
  const { open, vault, options } = await openDemo(home, root, server, kind, flags.once === true);
  const { signal, end } = endingSignal();
  const changing =
    flags.once === true ? undefined : changeSamples(root, systemClock, (flags.seconds ?? 60) * 1_000, signal);
  const stopping = changing?.then(() => stopWhenIdle(open, showsScreen(flags)));
  try {
    const exit = await present(open, vault, flags, options);
    await compareBytes(root, server, vault, flags);
    return exit === 130 && flags.once !== true ? 0 : exit;
  } finally {
    end();
    await stopping;
  }
}

function endingSignal(): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, end: () => controller.abort() };
}

/** Without a terminal the demo ends by itself; on one it stays until the user leaves. */
function stopWhenIdle(open: OpenVault, stay: boolean): void {
  if (stay) return;
  if (open.engine.snapshot().state === 'idle') open.engine.command({ command: 'stop' });
  else open.engine.subscribe((event) => event.event === 'idle' && open.engine.command({ command: 'stop' }));
}

async function openDemo(
  home: string,
  root: string,
  server: EmbeddedServer,
  kind: ModeKind,
  once: boolean,
): Promise<{ open: OpenVault; vault: Vault; options: OpenOptions }> {
  const caBundle = join(home, 'ca.pem');
  await writeFile(caBundle, server.caPem);
  const where = places({ S3VAULT_HOME: join(home, 'home') });
  const vault = demoVault(root, server, kind, caBundle);
  const options: OpenOptions = {
    env: demoEnv(server),
    places: where,
    once,
    consent: true,
    acceptSource: false,
    checkRemote: false,
    keyStore: 'keychain',
    keys: {},
    material: temporaryKey(),
  };
  return { open: await openVault(vault, options), vault, options };
}

/** Whoever opens something with a key wipes it afterwards. */
function copyOf(material: OpenOptions['material']): KeyMaterial {
  if (material?.kind !== 'aes-256') throw new Error('the demo has no such key');
  return { ...material, secret: material.secret.use((bytes) => new Secret(bytes)) };
}

function demoVault(root: string, server: EmbeddedServer, kind: ModeKind, caBundle: string): Vault {
  return {
    id: vaultId('00000000-0000-4000-8000-0000000d3e30'),
    root,
    remote: { bucket: BUCKET, prefix: 'sample/', endpoint: server.url, region: server.region, caBundle },
    mode: demoMode(kind),
    keyStore: 'file',
    direction: 'push',
    rules: { removals: true, include: [], exclude: [] },
  };
}

function demoMode(kind: ModeKind): Mode {
  switch (kind) {
    case 'client':
    case 'sse-c':
      return { kind, key: { kind: 'stored', name: KEY } };
    case 'sse-kms':
    case 'dsse-kms':
      return { kind, keyId: KMS_KEY, context: {} };
    case 'sse-s3':
      return { kind };
    default:
      return kind satisfies never;
  }
}

/** Only what the demo needs: nothing of the user's own AWS set-up is touched. */
function demoEnv(server: EmbeddedServer): NodeJS.ProcessEnv {
  return {
    AWS_ACCESS_KEY_ID: server.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: server.credentials.secretAccessKey,
    AWS_REGION: server.region,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

async function present(
  open: OpenVault,
  vault: Vault,
  flags: DemoFlags,
  options: OpenOptions,
): Promise<number> {
  const target = `s3://${vault.remote.bucket}/${vault.remote.prefix}`;
  if (showsScreen(flags)) {
    const { showVault } = await import('./screen.ts');
    const note = 'demo: the files change by themselves; q quits';
    return showVault(open, {
      title: vault.root,
      target,
      mode: vault.mode.kind,
      key: 'a temporary key',
      browser: openBrowser(
        async () => placeOfVault(vault, [], {}),
        async () => ({ ...options, material: copyOf(options.material) }),
      ),
      conflicts: vaultConflicts(vault, options.places),
      posture: postureDesk(vault, options.env),
      note,
    });
  }
  if (flags.json === true) printJson(open.engine, process.stdout);
  else {
    process.stdout.write(
      `demo: ${vault.root} → ${target} at ${vault.remote.endpoint}, mode ${vault.mode.kind}\n`,
    );
    printPlain(open.engine, process.stdout, process.stderr);
  }
  return runToEnd(open.engine, () => open.run());
}

/** One file beside what the store holds of it: the same bytes for server-side modes only before the store seals them. */
async function compareBytes(
  root: string,
  server: EmbeddedServer,
  vault: Vault,
  flags: DemoFlags,
): Promise<void> {
  if (flags.json === true) return;
  const file = await readFile(join(root, SHOWN));
  const stored = server.storedBytes(BUCKET, objectKey(`${vault.remote.prefix}${SHOWN}`));
  if (stored === undefined) return;
  process.stdout.write(
    `\n${SHOWN}, the file:    ${preview(file)}  ${formatBytes(file.length)}\n` +
      `${SHOWN}, the object:  ${preview(stored)}  ${formatBytes(stored.length)}\n`,
  );
}

/** As many as leave the two lines within 80 columns. */
const SHOWN_BYTES = 12;

/** The first bytes in hex and as text. */
function preview(bytes: Uint8Array): string {
  const first = Buffer.from(bytes.subarray(0, SHOWN_BYTES));
  const text = [...first]
    .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·'))
    .join('');
  return `${first.toString('hex')} ${text}`;
}
