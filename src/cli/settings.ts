import { type Places, changeConfig, readConfig } from '../config.ts';
import { formatBytes } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import type { Setting, SettingsDesk, Taken } from '../model/settings-desk.ts';
import { DEFAULT_SETTLE_MS, DEFAULT_TRANSFERS, type Rules, type Vault } from '../model/vault.ts';
import { parseCount, parseRate } from './options.ts';
import { nameOfMode } from './register.ts';

/** How one setting of a vault is read and written; without `write` it is changed in another way. */
interface Field {
  readonly name: string;
  readonly says: string;
  readonly read: (vault: Vault) => string;
  readonly change: (vault: Vault) => Setting['change'];
  /** Throws kind `usage` on a value it does not take. */
  readonly write?: (vault: Vault, value: string) => Vault;
}

const OFF = 'no limit';
const ALL = 'everything';

const withRules = (vault: Vault, rules: Partial<Rules>): Vault => ({
  ...vault,
  rules: { ...vault.rules, ...rules },
});
const fixed =
  (instead: string): Field['change'] =>
  () => ({ kind: 'no', instead });
const text =
  (example: string): Field['change'] =>
  () => ({ kind: 'text', example });

function rateField(name: string, says: string, rule: 'limitUpload' | 'limitDownload'): Field {
  return {
    name,
    says,
    read: ({ rules }) => (rules[rule] === undefined ? OFF : `${formatBytes(rules[rule])}/s`),
    change: text(`10M, 500K or ${OFF}`),
    write: (vault, value) => {
      const { [rule]: _, ...rest } = vault.rules;
      if (value === OFF || value === '') return { ...vault, rules: rest };
      return withRules(vault, { [rule]: checked(() => parseRate(value.replace(/\s+|\/s$/g, ''))) });
    },
  };
}

function globField(name: 'include' | 'exclude', says: string, none: string): Field {
  return {
    name,
    says,
    read: ({ rules }) => (rules[name].length === 0 ? none : rules[name].join(' ')),
    change: text('*.tmp cache/**'),
    write: (vault, value) =>
      withRules(vault, { [name]: value === none ? [] : value.split(/\s+/).filter((glob) => glob !== '') }),
  };
}

const FIELDS: readonly Field[] = [
  {
    name: 'root',
    says: 'folder',
    read: ({ root }) => root,
    change: fixed('to move it: s3vault forget, then sync the new place'),
  },
  {
    name: 'target',
    says: 'in the bucket',
    read: ({ remote, names }) =>
      `s3://${remote.bucket}/${remote.prefix}${names === undefined ? '' : ' (names encrypted)'}`,
    change: fixed('to send it elsewhere: s3vault forget, then sync with --to'),
  },
  {
    name: 'mode',
    says: 'protection and key',
    read: ({ mode }) => nameOfMode(mode),
    change: ({ root }) => ({
      kind: 'no',
      instead: `to change it, objects are moved: s3vault rekey ${root} --to-mode MODE`,
    }),
  },
  {
    name: 'removals',
    says: 'removals',
    read: ({ rules }) => (rules.removals ? 'let through' : 'only reported'),
    change: () => ({
      kind: 'choice',
      choices: ['only reported', 'let through'],
      asks: { choice: 'let through', question: 'From now on, remove in the bucket what is removed here?' },
    }),
    write: (vault, value) => withRules(vault, { removals: value === 'let through' }),
  },
  {
    name: 'transfers',
    says: 'transfers at a time',
    read: ({ rules }) => String(rules.transfers ?? DEFAULT_TRANSFERS),
    change: text('16, from 1 to 256'),
    write: (vault, value) => withRules(vault, { transfers: checked(() => parseCount(value)) }),
  },
  rateField('limit-upload', 'upload at most', 'limitUpload'),
  rateField('limit-download', 'download at most', 'limitDownload'),
  globField('include', 'only files that match', ALL),
  globField('exclude', 'all but files that match', 'nothing left out'),
  {
    name: 'settle',
    says: 'a file must be still for (ms)',
    read: ({ rules }) => String(rules.settleMs ?? DEFAULT_SETTLE_MS),
    change: text('400, from 50 to 60000'),
    write: (vault, value) => withRules(vault, { settleMs: milliseconds(value) }),
  },
];

function milliseconds(value: string): number {
  const ms = Number(value);
  if (Number.isInteger(ms) && ms >= 50 && ms <= 60_000) return ms;
  throw refused('must be a whole number of milliseconds from 50 to 60000');
}

const forgotten = (): VaultError =>
  new VaultError('usage', 'not-registered', 'not saved: this vault was forgotten meanwhile', {
    hint: 's3vault vaults lists those that are known; sync the folder again to register it',
  });

const refused = (message: string): VaultError => new VaultError('usage', 'setting-value', message);

/** What an option of the command line refuses, the screen refuses in the same words. */
function checked<T>(parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    throw refused(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

const SAVED: { readonly [T in Taken]: string } = {
  now: 'saved',
  'after-transfers': 'saved; it holds once what is under way has ended, in two minutes at most',
  'at-next-start': 'saved; it holds from the next start on',
};

/** The settings of one vault. `onChanged` tells a daemon that holds it; it tells from when on the change holds. */
export function settingsDesk(
  id: Vault['id'],
  where: Places,
  onChanged: () => Promise<Taken> = () => Promise.resolve('at-next-start'),
): SettingsDesk {
  return {
    read: async () => {
      const vault = (await readConfig(where)).vaults.find((one) => one.id === id);
      if (vault === undefined) return [];
      return FIELDS.map((field) => ({
        name: field.name,
        says: field.says,
        value: field.read(vault),
        change: field.change(vault),
      }));
    },
    change: async (name, value) => {
      const write = FIELDS.find((field) => field.name === name)?.write;
      if (write === undefined) throw refused(`${name} is not changed here`);
      await changeConfig(where, (config) => {
        if (!config.vaults.some((vault) => vault.id === id)) throw forgotten();
        return {
          ...config,
          vaults: config.vaults.map((vault) => (vault.id === id ? write(vault, value) : vault)),
        };
      });
      return SAVED[await onChanged()];
    },
  };
}
