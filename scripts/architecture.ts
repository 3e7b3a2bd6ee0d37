/**
 * The shape of the source as data: who may import whom, where each library is at home, and what may be used only
 * there. `test/architecture.test.ts` enforces it; the map in DESIGN.md is printed from it:
 *
 *   node scripts/architecture.ts --markdown
 */

export interface Part {
  /** What it is for, as the map says it. */
  readonly purpose: string;
  /** Parts it may import, type imports included. */
  readonly imports: readonly PartName[];
  /** Parts it may import dynamically only, so that a run that does not need them never loads them. */
  readonly lazy?: readonly PartName[];
  /** Packages, and `node:sqlite`, that are imported here; listed nowhere else means: nowhere else. */
  readonly libraries: readonly string[];
}

export type PartName =
  | 'model'
  | 'clock.ts'
  | 'private-file.ts'
  | 'config.ts'
  | 'crypto'
  | 'local'
  | 's3'
  | 'state'
  | 'keys'
  | 'engine'
  | 'embedded'
  | 'tui'
  | 'vaults'
  | 'daemon'
  | 'cli'
  | 'young-heap.ts'
  | 'main.ts';

/** A part is a folder of `src/` or a file at its top. */
export const PARTS: Readonly<Record<PartName, Part>> = {
  model: {
    purpose: 'the words, the ports, errors, the fold of events into a snapshot; no I/O',
    imports: [],
    libraries: [],
  },
  'clock.ts': { purpose: 'the one real clock', imports: ['model'], libraries: [] },
  'private-file.ts': {
    purpose: 'files that only their owner may read: written whole or not at all',
    imports: ['model', 'clock.ts'],
    libraries: [],
  },
  crypto: {
    purpose: 'sealed-object format, chunk stream, key wrapping, sealed names, size functions; pure',
    imports: ['model'],
    libraries: ['@noble/ciphers'],
  },
  local: {
    purpose: 'the disk side: watch, walk, ignore rules, stable read',
    imports: ['model'],
    libraries: ['chokidar', 'ignore'],
  },
  s3: {
    purpose: 'the remote side: client, put, multipart, list, Mode to headers, bucket posture, KMS quota',
    imports: ['model'],
    libraries: [
      '@aws-sdk/client-s3',
      '@aws-sdk/lib-storage',
      '@aws-sdk/client-service-quotas',
      'undici',
      'fast-xml-parser',
      'valibot',
    ],
  },
  state: {
    purpose: 'the Index database, journals of unfinished uploads, migrations',
    imports: ['model'],
    libraries: ['node:sqlite'],
  },
  keys: {
    purpose: 'KeyRef to Secret: keychain, key file, command, KMS',
    imports: ['model', 'crypto', 'private-file.ts'],
    libraries: ['keytar', '@aws-sdk/client-kms', 'age-encryption', '@scure/bip39', 'valibot'],
  },
  engine: {
    purpose: 'hints, plan, schedule, transfer, restore, the loop',
    imports: ['model', 'crypto'],
    libraries: ['p-queue'],
  },
  embedded: {
    purpose: 'an S3 server in this process, over HTTPS, for the demo and the tests',
    imports: ['model', 'clock.ts'],
    libraries: ['selfsigned', 'fast-xml-parser'],
  },
  'config.ts': {
    purpose: 'reads, checks and writes the list of vaults',
    imports: ['model', 'clock.ts', 'private-file.ts'],
    libraries: ['valibot', 'env-paths'],
  },
  vaults: {
    purpose: 'composition root: configuration and adapters become a running engine',
    imports: [
      ...(['model', 'clock.ts', 'private-file.ts', 'config.ts', 'crypto', 'local', 's3', 'state'] as const),
      'keys',
      'engine',
    ],
    libraries: [],
  },
  daemon: {
    purpose: 'headless life: lock, signals, socket server and client, unit files',
    imports: ['model', 'clock.ts', 'private-file.ts', 'config.ts', 'vaults'],
    libraries: ['selfsigned', 'valibot'],
  },
  tui: {
    purpose: 'the screens; they know an EngineHandle, a KeyDesk or an InitDesk and nothing behind it',
    imports: ['model'],
    libraries: ['cli-truncate', 'ink', 'react', 'string-width'],
  },
  cli: {
    purpose: 'one file per command, the plain and the JSON printer',
    imports: ['model', 'clock.ts', 'private-file.ts', 'config.ts', 'vaults', 'daemon', 'embedded'],
    lazy: ['tui'],
    libraries: ['commander', 'pino'],
  },
  'young-heap.ts': { purpose: 'a bound for the memory of new objects', imports: [], libraries: [] },
  'main.ts': { purpose: 'arguments in, exit code out', imports: ['cli', 'young-heap.ts'], libraries: [] },
};

/** Functions of node:crypto that touch plaintext with a key, and the only parts that may call them. */
export const CIPHERS = {
  names: [
    'createCipheriv',
    'createDecipheriv',
    'hkdf',
    'hkdfSync',
    'scrypt',
    'scryptSync',
    'pbkdf2',
    'pbkdf2Sync',
    'argon2',
    'argon2Sync',
    'publicEncrypt',
    'publicDecrypt',
    'privateEncrypt',
    'privateDecrypt',
    'webcrypto',
    'subtle',
  ],
  homes: ['crypto', 'embedded'],
} as const satisfies { names: readonly string[]; homes: readonly PartName[] };

/** Time and chance come from the injected Clock everywhere but here. */
export const CLOCK_HOMES: readonly PartName[] = ['clock.ts', 'embedded'];

/** Uses of real time elsewhere, each with its reason. One that no longer occurs must go from this list. */
export const CLOCK_EXCEPTIONS: readonly {
  readonly file: string;
  readonly name: string;
  readonly reason: string;
}[] = [];

/** Functions longer than the budget, each with its reason. One that no longer is must go from this list. */
export const LONG_FUNCTIONS: readonly {
  readonly file: string;
  readonly name: string;
  readonly lines: number;
  readonly reason: string;
}[] = [];

export const BUDGET = { fileLines: 500, functionLines: 80 } as const;

/** Words that name nothing in particular. */
export const RETIRED = 'job task item manager service helper util backend repository'.split(' ');

/** URIs that name something and are never fetched. */
export const XML_NAMESPACES: readonly string[] = [
  'http://s3.amazonaws.com/doc/2006-03-01/',
  'http://www.w3.org/2001/XMLSchema-instance',
  'http://acs.amazonaws.com/groups/global/AllUsers',
  'http://acs.amazonaws.com/groups/global/AuthenticatedUsers',
  'http://www.apple.com/DTDs/PropertyList-1.0.dtd',
];

/** The parts in an order in which each imports only what stands before it. Throws where there is a circle. */
export function topological(
  parts: Readonly<Record<string, Pick<Part, 'imports' | 'lazy'>>>,
): readonly string[] {
  const done: string[] = [];
  const visit = (name: string, path: readonly string[]): void => {
    if (done.includes(name)) return;
    if (path.includes(name)) throw new Error(`imports go round in a circle: ${[...path, name].join(' -> ')}`);
    const part = parts[name];
    if (part === undefined) throw new Error(`${path.at(-1)} may import ${name}, which is not in the table`);
    for (const next of [...part.imports, ...(part.lazy ?? [])]) visit(next, [...path, name]);
    done.push(name);
  };
  for (const name of Object.keys(parts)) visit(name, []);
  return done;
}

/** The table "Map of the source" of DESIGN.md. */
export function markdown(): string {
  const row = ([name, part]: readonly [string, Part]): string => {
    const imports = [
      ...part.imports.map(bare),
      ...(part.lazy ?? []).map((lazy) => `${bare(lazy)} (dynamic)`),
    ];
    const libraries = part.libraries.map((library) => `\`${library}\``);
    const where = name.endsWith('.ts') ? `src/${name}` : `src/${name}/`;
    return `| \`${where}\` | ${part.purpose} | ${imports.join(', ') || '–'} | ${libraries.join(', ') || '–'} |`;
  };
  const head = ['| part | purpose | may import | libraries |', '|---|---|---|---|'];
  return [...head, ...Object.entries(PARTS).map(row)].join('\n');
}

const bare = (name: string): string => name.replace(/\.ts$/, '');

if (import.meta.main) {
  if (process.argv[2] === '--markdown') process.stdout.write(`${markdown()}\n`);
  else process.stderr.write('usage: node scripts/architecture.ts --markdown\n');
}
