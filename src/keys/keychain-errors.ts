/**
 * What can be wrong with a system keychain, each with its way out. All of kind `usage`: something on this machine must
 * be set up, and s3vault never takes another place for keys by itself.
 */
import { VaultError } from '../model/errors.ts';

const ELSEWHERE = 'or keep keys in a file with a passphrase: --key-store file';

const fault = (code: string, message: string, hint: string, cause?: string): VaultError =>
  new VaultError('usage', code, message, {
    hint: `${hint}; ${ELSEWHERE}`,
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  });

interface Symptom {
  readonly seen: RegExp;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** First match counts. The texts are those of libsecret, gnome-keyring, KWallet and the macOS Security framework. */
const SYMPTOMS: readonly Symptom[] = [
  {
    seen: /autolaunch D-Bus|^Could not connect|Connection refused|Cannot spawn a message bus|session bus|DBUS_SESSION_BUS_ADDRESS/i,
    code: 'keychain-no-bus',
    message: 'the keychain cannot be reached: there is no D-Bus session bus here',
    hint: 'over SSH, in cron and in containers there usually is none: log in to a desktop session, run under dbus-run-session',
  },
  {
    seen: /not provided by any \.service|ServiceUnknown|NameHasNoOwner|Object does not exist at path|No such interface|UnknownObject|NoSuchObject/i,
    code: 'keychain-no-provider',
    message: 'no keychain answers: there is no Secret Service with a default collection',
    hint: 'install and unlock one (gnome-keyring, KWallet or KeePassXC) and give it a default keyring',
  },
  {
    seen: /locked|interaction is not allowed|-25308/i,
    code: 'keychain-locked',
    message: 'the keychain is locked and nobody was asked to unlock it',
    hint: 'unlock it on the desktop (macOS: security unlock-keychain) and try again',
  },
  {
    seen: /dismissed|cancell?ed|-128\b/i,
    code: 'keychain-dismissed',
    message: 'the question to unlock the keychain was dismissed',
    hint: 'try again and answer it',
  },
];

/** An error text of the keychain library, classified. */
export function keychainFailed(text: string): VaultError {
  const symptom = SYMPTOMS.find(({ seen }) => seen.test(text));
  if (symptom === undefined) {
    return fault('keychain-failed', `the keychain refused: ${text}`, 'look at it with its own program');
  }
  return fault(symptom.code, symptom.message, symptom.hint, text);
}

/** What the library's builds depend on. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly arch: NodeJS.Architecture;
  /** Undefined where the C library is another one, as on Alpine (musl). */
  readonly glibc: string | undefined;
}

function thisMachine(): Machine {
  const { platform, arch } = process;
  return { platform, arch, glibc: platform === 'linux' ? glibcVersion() : undefined };
}

function glibcVersion(): string | undefined {
  // Else the report looks up the names of all its connections.
  Object.assign(process.report, { excludeNetwork: true });
  const { header } = process.report.getReport() as {
    readonly header?: { readonly glibcVersionRuntime?: string };
  };
  return header?.glibcVersionRuntime;
}

/**
 * `@github/keytar` reports every failed load alike: a missing libsecret, a C library it was not built for, a processor
 * it was not built for (its file for 32-bit ARM is the 64-bit one).
 */
export function keychainUnloadable(text: string, machine: Machine = thisMachine()): VaultError {
  const { platform, arch, glibc } = machine;
  const built = (system: string): VaultError =>
    fault(
      'keychain-unloadable',
      `the keychain library cannot be loaded: there is no build of it for ${system}`,
      'no package mends that; take keys from another program: --key-store command',
      text,
    );
  if (platform === 'linux' && glibc === undefined) return built('Alpine and other systems with musl');
  if (platform === 'linux' && arch === 'arm') return built('32-bit ARM');
  if (platform === 'linux' && arch !== 'x64' && arch !== 'arm64' && arch !== 'ia32')
    return built(`processors of the kind ${arch}`);
  const hint =
    platform === 'linux'
      ? 'install libsecret (Debian, Ubuntu: libsecret-1-0; Fedora, Arch: libsecret)'
      : 'install s3vault again';
  return fault('keychain-unloadable', 'the keychain library cannot be loaded', hint, text);
}

export function keychainTimeout(ms: number): VaultError {
  return fault(
    'keychain-timeout',
    `the keychain did not answer within ${Math.round(ms / 1000)} seconds`,
    'it may wait for you in a window: unlock it there and try again',
  );
}

/** libsecret is known to crash where it must show an item of a locked collection and cannot ask for it. */
export function keychainCrashed(signal: NodeJS.Signals | null): VaultError {
  return signal === 'SIGSEGV'
    ? fault('keychain-locked', 'the keychain is locked', 'unlock it on the desktop and try again', 'SIGSEGV')
    : fault(
        'keychain-failed',
        'the keychain library ended without an answer',
        'try again',
        signal ?? undefined,
      );
}

export function notKept(name: string): VaultError {
  return new VaultError(
    'security',
    'key-not-kept',
    `the keychain did not give key ${name} back as it was stored`,
    {
      hint: 'do not use this key; keep keys in a file with a passphrase instead: --key-store file',
    },
  );
}
