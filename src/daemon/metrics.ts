/** Numbers for Prometheus (text exposition format 0.0.4). */
import type { Event } from '../model/event.ts';
import type { Vault } from '../model/vault.ts';
import type { VaultLine } from './protocol.ts';

interface Counts {
  files: number;
  bytes: number;
  removed: number;
  fetched: number;
  bytesFetched: number;
  removedHere: number;
  failures: number;
  throttled: number;
  /** Seconds since 1970; 0: never. */
  inStepAt: number;
}

/** Counts from the start of the daemon, vault by vault. */
export class Tally {
  readonly #counts = new Map<string, Counts>();

  hear(event: Event, vault: Vault | undefined): void {
    if (vault === undefined) return;
    const counts = this.of(vault.id);
    if (event.event === 'transfer.done') addDone(counts, event);
    if (event.event === 'transfer.failed') counts.failures++;
    if (event.event === 'throttle') counts.throttled++;
    if (event.event === 'idle' && event.short === undefined) counts.inStepAt = Date.parse(event.time) / 1_000;
  }

  of(id: string): Counts {
    const known = this.#counts.get(id);
    if (known !== undefined) return known;
    const fresh = {
      files: 0,
      bytes: 0,
      removed: 0,
      fetched: 0,
      bytesFetched: 0,
      removedHere: 0,
      failures: 0,
      throttled: 0,
      inStepAt: 0,
    };
    this.#counts.set(id, fresh);
    return fresh;
  }
}

function addDone(
  counts: Counts,
  { result, direction, bytes }: Extract<Event, { event: 'transfer.done' }>,
): void {
  if (result === 'written' || result === 'copied') {
    counts.files++;
    counts.bytes += bytes;
  } else if (result === 'restored') {
    counts.fetched++;
    counts.bytesFetched += bytes;
  } else if (result === 'removed' && direction === 'remove-local') counts.removedHere++;
  else if (result === 'removed') counts.removed++;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly value: (line: VaultLine, counts: Counts) => number;
}

/** In step, nothing is left: what two plans had in common was done once. */
const left = ({ inStep, planned, done }: VaultLine, of: 'files' | 'bytes'): number =>
  inStep === true ? 0 : Math.max(0, planned[of] - done[of]);

const FAMILIES: readonly Family[] = [
  {
    name: 'files_sent_total',
    help: 'Files written to the store.',
    type: 'counter',
    value: (_, { files }) => files,
  },
  {
    name: 'bytes_sent_total',
    help: 'Plaintext bytes written to the store.',
    type: 'counter',
    value: (_, { bytes }) => bytes,
  },
  {
    name: 'removals_total',
    help: 'Objects removed from the store.',
    type: 'counter',
    value: (_, { removed }) => removed,
  },
  {
    name: 'files_fetched_total',
    help: 'Files fetched from the store.',
    type: 'counter',
    value: (_, { fetched }) => fetched,
  },
  {
    name: 'bytes_fetched_total',
    help: 'Plaintext bytes fetched from the store.',
    type: 'counter',
    value: (_, { bytesFetched }) => bytesFetched,
  },
  {
    name: 'removals_here_total',
    help: 'Files removed here.',
    type: 'counter',
    value: (_, { removedHere }) => removedHere,
  },
  {
    name: 'failures_total',
    help: 'Transfers that failed, each try.',
    type: 'counter',
    value: (_, { failures }) => failures,
  },
  {
    name: 'throttles_total',
    help: 'Times the store asked for a slower pace.',
    type: 'counter',
    value: (_, { throttled }) => throttled,
  },
  {
    name: 'last_in_step_timestamp_seconds',
    help: 'When everything was in step last; 0: not since the start.',
    type: 'gauge',
    value: (_, { inStepAt }) => inStepAt,
  },
  {
    name: 'in_step',
    help: 'Nothing is left to do and nothing is short: 1.',
    type: 'gauge',
    value: ({ inStep }) => (inStep === true ? 1 : 0),
  },
  {
    name: 'transfers_active',
    help: 'Transfers under way.',
    type: 'gauge',
    value: ({ underWay }) => underWay,
  },
  {
    name: 'files_unprotected',
    help: 'Files that were not in the bucket and ought to be, when nothing was left to do last.',
    type: 'gauge',
    value: ({ unprotected }) => unprotected,
  },
  {
    name: 'removals_declined',
    help: 'Removals held back that a person did not want, when nothing was left to do last.',
    type: 'gauge',
    value: ({ short }) => short?.declined ?? 0,
  },
  { name: 'problems', help: 'Problems that are open.', type: 'gauge', value: ({ problems }) => problems },
  {
    name: 'files_left',
    help: 'Files of the plans under way that are not done.',
    type: 'gauge',
    value: (line) => left(line, 'files'),
  },
  {
    name: 'bytes_left',
    help: 'Bytes of the plans under way that are not done.',
    type: 'gauge',
    value: (line) => left(line, 'bytes'),
  },
];

const STATES = [
  'starting',
  'scanning',
  'working',
  'idle',
  'paused',
  'offline',
  'needs-you',
  'stopped',
] as const;

export interface Readings {
  readonly version: string;
  readonly vaults: readonly VaultLine[];
  readonly tally: Tally;
  /** Resident bytes. */
  readonly memory: number;
}

export function metricsText({ version, vaults, tally, memory }: Readings): string {
  const lines = [
    ...head('s3vault_info', 'The version that runs.', 'gauge'),
    `s3vault_info{version=${quoted(version)}} 1`,
    ...head('process_resident_memory_bytes', 'Resident memory in bytes.', 'gauge'),
    `process_resident_memory_bytes ${memory}`,
    ...head('s3vault_vault_state', 'The state each vault is in: 1.', 'gauge'),
    ...vaults.flatMap((line) =>
      STATES.map(
        (state) =>
          `s3vault_vault_state{${labels(line)},state=${quoted(state)}} ${line.state === state ? 1 : 0}`,
      ),
    ),
    ...FAMILIES.flatMap(({ name, help, type, value }) => [
      ...head(`s3vault_${name}`, help, type),
      ...vaults.map((line) => `s3vault_${name}{${labels(line)}} ${value(line, tally.of(line.id))}`),
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

const head = (name: string, help: string, type: string): readonly string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
];

const labels = ({ id, root }: VaultLine): string => `vault=${quoted(id)},root=${quoted(root)}`;

const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
