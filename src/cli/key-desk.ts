/** What the key commands and the key screen do with keys and the vaults that need them. */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Config, type Places, changeConfig, readConfig } from '../config.ts';
import { EXIT, VaultError, asVaultError, report } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import type { KeyDesk, KeyRow, KeyTest, RotateEnd, RotateProgress, WordsState } from '../model/key-desk.ts';
import type { KeyInfo, KeyStoreKind } from '../model/keyref.ts';
import type { Mode } from '../model/mode.ts';
import type { Clock } from '../model/ports.ts';
import { Secret } from '../model/secret.ts';
import type { Vault } from '../model/vault.ts';
import {
  type Custody,
  type KeyNote,
  checkKeyName,
  keyNotes,
  keysOf,
  openKeys,
  twoKeys,
} from '../vaults/keys.ts';
import { tryVault, vaultStatus } from '../vaults/look.ts';
import type { OpenOptions } from '../vaults/options.ts';
import { openRekey } from '../vaults/rekey.ts';
import { fromHomely, homely } from './homely.ts';
import {
  keyOfMode,
  keysOfVault,
  leftUnder,
  nextName,
  storeOf,
  usersOf,
  withKey,
  withoutKey,
} from './key-uses.ts';
import { kmsInfo, kmsKeyNamed, kmsKeyOfMode, kmsKeys, refuseKms } from './kms-keys.ts';
import { type Estimate, estimate } from './estimate.ts';
import type { KeyFlags, MovingFlags } from './options.ts';
import { limited } from './rekey.ts';
import { steps } from './rekey-steps.ts';
import { ABORTED, type Moved, type Rotation, endOf, failedToOpen, interrupted, movedOf } from './rotation.ts';
import { withReleased } from './with-daemon.ts';

export interface DeskOptions {
  readonly kind: KeyStoreKind;
  readonly flags: KeyFlags;
  readonly where: Places;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Asks for a passphrase; the screen sets its own. */
  readonly ask?: ((question: string) => Promise<Secret>) | undefined;
  /** Told what a rotation does. */
  readonly log?: ((event: Event) => void) | undefined;
  /** For tests only; see `KeyFileOptions`. */
  readonly workFactorForTests?: number;
}

const PLACES: { readonly [K in KeyStoreKind]: string } = {
  keychain: "the operating system's keychain",
  file: 'the key file',
  command: 'the key command',
  credentials: 'the credentials of the systemd service',
};

/** What a key file asks when it is opened. */
export const OPENING = 'passphrase of the key file: ';

/** What a rotation would take in one vault. */
export interface RotatePreview {
  readonly root: string;
  readonly from: Mode;
  readonly to: Mode;
  readonly estimate: Estimate;
  /** Older versions would stay under the old key. */
  readonly older: boolean;
}

export class Desk implements KeyDesk {
  readonly #options: DeskOptions;
  #custody: Promise<Custody> | undefined;
  /** The last answer to `OPENING`: whoever opens vaults is not asked again for each. */
  #passphrase: Secret | undefined;
  ask: KeyDesk['ask'];

  constructor(options: DeskOptions) {
    this.#options = options;
    this.ask = options.ask;
  }

  get place(): string {
    return PLACES[this.#options.kind];
  }

  async list(): Promise<readonly KeyRow[]> {
    const { where } = this.#options;
    const [keys, config, notes] = await Promise.all([this.#keys(), readConfig(where), keyNotes(where).all()]);
    const infos = await keys.list();
    const { kind } = this.#options;
    const stored = infos.map((info) =>
      this.#row(
        info,
        usersOf(config, kind, info.name),
        notes.get(info.fingerprint),
        leftUnder(config, kind, info.name),
      ),
    );
    const held = kmsKeys(config).map((key) => this.#row(kmsInfo(key), key.users, notes.get(key.keyId)));
    return Promise.all([...stored, ...held]);
  }

  async #row(
    info: Pick<KeyRow, keyof KeyInfo>,
    users: readonly Vault[],
    note: KeyNote = {},
    left: readonly string[] = [],
  ): Promise<KeyRow> {
    const uses = users.map(async (vault) => ({
      root: homely(vault.root),
      mode: vault.mode.kind,
      objects: (await vaultStatus(vault, this.#options.where)).files,
    }));
    const { words, lastUsed, lastTest, versionsIn = [] } = note;
    const rotatingTo = users.map((vault) => nextOf(vault, info.name)).find((next) => next !== undefined);
    return {
      ...info,
      words: wordsOf(info, words),
      uses: await Promise.all(uses),
      versionsIn: [...new Set([...left, ...versionsIn])],
      ...(lastUsed === undefined ? {} : { lastUsed }),
      ...(lastTest === undefined ? {} : { lastTest }),
      ...(rotatingTo === undefined ? {} : { rotatingTo }),
    };
  }

  async create(name: string, kind: 'aes-256' | 'rsa'): Promise<KeyInfo> {
    await this.#notKms(name, 'create');
    return (await this.#keys()).create(name, kind);
  }

  async bringIn(name: string, format: Parameters<KeyDesk['bringIn']>[1], text: Secret): Promise<KeyInfo> {
    return (await this.#keys()).bringIn(name, format, text);
  }

  async words(name: string): Promise<Secret> {
    await this.#notKms(name, 'words');
    return (await this.#keys()).giveOut(name, 'words');
  }

  async noteWords(name: string, state: 'shown' | 'checked'): Promise<void> {
    const { fingerprint } = await this.#info(name);
    await keyNotes(this.#options.where).change(fingerprint, (note) =>
      note.words === 'checked' ? note : { ...note, words: state },
    );
  }

  async exportTo(name: string, format: Parameters<KeyDesk['exportTo']>[1], path: string): Promise<string> {
    await this.#notKms(name, 'export');
    const secret = await (await this.#keys()).giveOut(name, format);
    const full = resolve(fromHomely(path));
    try {
      await secret.use((bytes) =>
        writeFile(full, Buffer.concat([bytes, Buffer.from('\n')]), { flag: 'wx', mode: 0o600 }),
      );
    } catch (cause) {
      throw new VaultError('usage', 'export-file', `${full} could not be written (${codeOf(cause)})`, {
        cause,
        hint: 'name a new file in a folder that is there; files are never replaced',
      });
    } finally {
      secret.wipe();
    }
    return full;
  }

  /** Opens one object of each vault that uses the key. */
  async test(name: string): Promise<readonly KeyTest[]> {
    const { where, kind, clock } = this.#options;
    const config = await readConfig(where);
    const held = kmsKeyNamed(config, name);
    const fingerprint = held?.keyId ?? (await this.#info(name)).fingerprint;
    const isUnder = (mode: Mode): boolean =>
      held === undefined ? keyOfMode(mode) === name : kmsKeyOfMode(mode) === held.keyId;
    const results: KeyTest[] = [];
    for (const vault of held?.users ?? usersOf(config, kind, name)) {
      const under = isUnder(vault.mode) ? vault.mode : (vault.rekeyTo ?? vault.mode);
      try {
        const path = await tryVault({ ...vault, mode: under }, this.#opening(config));
        results.push({ root: homely(vault.root), ...(path === undefined ? {} : { path }) });
      } catch (thrown) {
        const error = asVaultError(thrown);
        results.push({ root: homely(vault.root), error: report(error), exit: error.exit });
      }
    }
    const ok = results.every(({ error }) => error === undefined);
    const time = new Date(clock.now()).toISOString();
    if (results.some(({ path, error }) => path !== undefined || error !== undefined))
      await keyNotes(where).change(fingerprint, (note) => ({ ...note, lastTest: { time, ok } }));
    return results;
  }

  async rotate(
    name: string,
    onProgress: (progress: RotateProgress) => void,
    signal: AbortSignal,
    moving: MovingFlags = {},
    /** Shows a new key to a person before anything depends on it. */
    onKey: (info: KeyInfo) => Promise<void> = async () => undefined,
  ): Promise<RotateEnd> {
    const { where } = this.#options;
    await this.#notKms(name, 'rotate');
    const { info, users, begun } = await this.#toRotate(name);
    const rotation = (next: string): Rotation => ({ name, next, users, onProgress, signal, moving });
    return withReleased(users, where, async () => {
      if (begun !== undefined) return this.#rotateTo(rotation(begun));
      await this.#meet(users);
      const made = await this.#newKey(info);
      try {
        await onKey(made);
        return await this.#rotateTo(rotation(made.name));
      } catch (thrown) {
        await this.#dropUnused(made.name);
        throw thrown;
      }
    });
  }

  /** Rejects where a vault is held, or its bucket has moved on: before there is a new key that nothing needs. */
  async #meet(users: readonly Vault[]): Promise<void> {
    const config = await readConfig(this.#options.where);
    for (const vault of users) {
      const { rekey, run } = await openRekey(vault, vault.mode, {
        ...this.#opening(config),
        dryRun: true,
        meetOnly: true,
        onBegin: async () => undefined,
        onEnd: async () => undefined,
      });
      await run();
      if (rekey.fatal !== undefined) throw rekey.fatal;
    }
  }

  /** Rejects where no object of any vault was touched. */
  async #rotateTo(rotation: Rotation): Promise<RotateEnd> {
    const { name, next, users, signal } = rotation;
    const config = await readConfig(this.#options.where);
    let [done, failed, bytes] = [0, 0, 0];
    let begun = false;
    for (const vault of users) {
      const end = signal.aborted ? ABORTED : await this.#rekey(rotation, vault, config).catch(failedToOpen);
      begun ||= end.begun;
      done += end.done;
      failed += end.failed;
      bytes += end.bytes;
      if (end.error === undefined) continue;
      if (!begun && vault.rekeyTo === undefined) throw end.error;
      const { hint, ...error } = report(end.error);
      const others =
        end.begun || vault.rekeyTo !== undefined
          ? hint
          : `${homely(vault.root)} is kept under key ${name} still; move it with: s3vault rekey ${homely(vault.root)} --key ${next}`;
      return {
        next,
        done,
        failed,
        bytes,
        exit: end.exit,
        error: others === undefined ? error : { ...error, hint: others },
      };
    }
    return { next, done, failed, bytes, exit: EXIT.inStep };
  }

  /** A key that was made for a rotation that did not begin. */
  async #dropUnused(name: string): Promise<void> {
    const { where, kind } = this.#options;
    if (usersOf(await readConfig(where), kind, name).length > 0) return;
    await (await this.#keys()).remove(name);
  }

  /** What a rotation would take, vault by vault. No key is made, nothing is remembered. */
  async preview(name: string, moving: MovingFlags): Promise<readonly RotatePreview[]> {
    const { where } = this.#options;
    await this.#notKms(name, 'rotate');
    const { users, begun } = await this.#toRotate(name);
    const config = await readConfig(where);
    const previews: RotatePreview[] = [];
    for (const vault of users) {
      const next = begun ?? name;
      const to = vault.rekeyTo ?? withKey(vault.mode, next);
      const opening = this.#opening(config);
      const keysFrom = begun === undefined ? twoKeys(keysOf(vault, opening, this.#options.clock)) : undefined;
      const { rekey, run } = await openRekey(limited(vault, moving), to, {
        ...opening,
        ...(keysFrom === undefined ? {} : { keysFrom }),
        dryRun: true,
        allVersions: moving.allVersions ?? false,
        onBegin: async () => undefined,
        onEnd: async () => undefined,
      });
      await run();
      if (rekey.fatal !== undefined) throw rekey.fatal;
      const given = estimate(vault.mode, to, rekey.totals, moving.allVersions ?? false);
      previews.push({ root: homely(vault.root), from: vault.mode, to, estimate: given, older: rekey.older });
    }
    return previews;
  }

  async remove(name: string): Promise<void> {
    await this.#notKms(name, 'delete');
    await (await this.#keys()).remove(name);
    const { where, kind } = this.#options;
    await changeConfig(where, (config) => withoutKey(config, kind, name));
  }

  lock(): void {
    void this.#custody?.then(
      (custody) => custody.lock(),
      () => undefined,
    );
    this.#custody = undefined;
    this.#passphrase?.wipe();
    this.#passphrase = undefined;
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  async #notKms(name: string, what: Parameters<typeof refuseKms>[2]): Promise<void> {
    refuseKms(await readConfig(this.#options.where), name, what);
  }

  #keys(): Promise<Custody> {
    this.#custody ??= this.#open();
    return this.#custody;
  }

  async #open(): Promise<Custody> {
    const { kind, where, env, clock, workFactorForTests } = this.#options;
    const config = await readConfig(where);
    const names = config.vaults.filter((vault) => storeOf(vault, config) === kind).flatMap(keysOfVault);
    return openKeys(kind, {
      env,
      clock,
      places: where,
      names,
      ...this.#how(config),
      ...(workFactorForTests === undefined ? {} : { workFactorForTests }),
    });
  }

  #how(config: Config, prompt = (question: string) => this.#asked(question)): OpenOptions['keys'] {
    const { flags } = this.#options;
    return {
      prompt: this.ask === undefined ? undefined : prompt,
      passphraseCommand: flags.passphraseCommand ?? config.passphraseCommand,
      command: flags.keyCommand ?? config.keyCommand,
    };
  }

  async #asked(question: string): Promise<Secret> {
    if (this.ask === undefined) throw interrupted();
    const answer = await this.ask(question);
    if (question === OPENING) {
      this.#passphrase?.wipe();
      this.#passphrase = answer.use((bytes) => new Secret(bytes));
    }
    return answer;
  }

  async #askedOnce(question: string): Promise<Secret> {
    const known = question === OPENING ? this.#passphrase : undefined;
    return known === undefined ? this.#asked(question) : known.use((bytes) => new Secret(bytes));
  }

  #opening(config: Config): OpenOptions {
    const { env, where, kind, clock } = this.#options;
    return {
      env,
      places: where,
      clock,
      keyStore: kind,
      keys: this.#how(config, (question) => this.#askedOnce(question)),
      once: true,
      consent: false,
      acceptSource: false,
      checkRemote: false,
    };
  }

  async #info(name: string): Promise<KeyInfo> {
    checkKeyName(name);
    const info = (await (await this.#keys()).list()).find((one) => one.name === name);
    if (info !== undefined) return info;
    throw new VaultError('usage', 'key-missing', `there is no key ${name} in ${this.place}`, {
      hint: 'see what is there: s3vault keys list',
    });
  }

  async #newKey({ name, kind }: KeyInfo): Promise<KeyInfo> {
    const custody = await this.#keys();
    const taken = new Set((await custody.list()).map((one) => one.name));
    return custody.create(nextName(name, taken), kind === 'rsa' ? 'rsa' : 'aes-256');
  }

  async #toRotate(
    name: string,
  ): Promise<{ info: KeyInfo; users: readonly Vault[]; begun: string | undefined }> {
    const { where, kind } = this.#options;
    const info = await this.#info(name);
    const config = await readConfig(where);
    const users = usersOf(config, kind, name).filter((vault) => keyOfMode(vault.mode) === name);
    if (users.length === 0) {
      throw new VaultError('usage', 'nothing-to-rotate', `no vault uses key ${name}`, {
        hint: 'rotation moves the objects of vaults to a new key; a key without any needs none',
      });
    }
    if (info.kind === 'rsa-public') {
      throw new VaultError(
        'usage',
        'encrypt-only',
        `key ${name} is a public half: it cannot open what it sealed`,
        {
          hint: 'rotate where the private half is',
        },
      );
    }
    const begun = users.map((vault) => nextOf(vault, name)).find((next) => next !== undefined);
    return { info, users, begun };
  }

  async #rekey(rotation: Rotation, vault: Vault, config: Config): Promise<Moved> {
    const { onProgress, signal, moving } = rotation;
    const next = vault.rekeyTo ?? withKey(vault.mode, rotation.next);
    const { rekey, run } = await openRekey(limited(vault, moving), next, {
      ...this.#opening(config),
      dryRun: false,
      allVersions: moving.allVersions ?? false,
      ...steps(vault, next, this.#options.where),
    });
    const root = homely(vault.root);
    rekey.subscribe((event) => {
      this.#options.log?.(event);
      if (!event.event.startsWith('transfer.') && event.event !== 'plan') return;
      const { objects, failed, through } = rekey.totals;
      onProgress({ root, done: movedOf(rekey.totals), failed, all: objects, bytes: through });
    });
    const stop = (): void => rekey.command({ command: 'stop' });
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const { exit } = await run().finally(() => signal.removeEventListener('abort', stop));
    return endOf(rekey, exit);
  }
}

const nextOf = (vault: Vault, name: string): string | undefined =>
  keyOfMode(vault.mode) === name && vault.rekeyTo !== undefined ? keyOfMode(vault.rekeyTo) : undefined;

function wordsOf({ kind }: Pick<KeyRow, 'kind'>, noted: 'shown' | 'checked' | undefined): WordsState {
  return kind === 'aes-256' ? (noted ?? 'never') : 'none';
}

const codeOf = (thrown: unknown): string =>
  thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error';
