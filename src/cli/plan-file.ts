/** The file of `sync --plan` and `apply`: one Action a line inside one JSON value, so people and programs can read it. */
import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { checkVault } from '../config.ts';
import { systemClock } from '../clock.ts';
import { VaultError } from '../model/errors.ts';
import type { Action } from '../model/plan.ts';
import { planFileLine } from '../model/plan-line.ts';
import type { Vault } from '../model/vault.ts';

const FORMAT = 's3vault-plan';
const VERSION = 1;

export interface PlanFile {
  readonly vault: Vault;
  /** See `planFileLine`. */
  readonly lines: readonly string[];
}

/** Gathers a Plan and writes it whole or not at all. Names are private: only its owner may read it. */
export class PlanDraft {
  readonly #vault: Vault;
  readonly #lines: string[] = [];
  readonly #skipped: string[] = [];

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  add(action: Action): void {
    (action.kind === 'skip' ? this.#skipped : this.#lines).push(planFileLine(action));
  }

  async write(file: string): Promise<void> {
    const path = resolve(file);
    const temporary = `${path}.${randomUUID()}.new`;
    try {
      const handle = await open(temporary, 'wx', 0o600);
      try {
        await handle.writeFile(this.#text());
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (cause) {
      await rm(temporary, { force: true });
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new VaultError('usage', 'plan-unwritable', `the plan cannot be written to ${file}: ${message}`, {
        cause,
        hint: 'choose another place',
      });
    }
  }

  *#text(): Iterable<string> {
    const head = { format: FORMAT, version: VERSION, created: new Date(systemClock.now()).toISOString() };
    const opening = JSON.stringify({ ...head, vault: this.#vault }, undefined, 2).slice(0, -2);
    yield `${opening},\n  "actions": [\n`;
    yield* joinedLines(this.#lines);
    yield `  ],\n  "skipped": [\n`;
    yield* joinedLines(this.#skipped);
    yield '  ]\n}\n';
  }
}

function* joinedLines(lines: readonly string[]): Iterable<string> {
  for (const [at, line] of lines.entries()) yield `    ${line}${at < lines.length - 1 ? ',' : ''}\n`;
}

export async function readPlanFile(file: string): Promise<PlanFile> {
  const value = parsed(file, await textOf(file));
  const { format, version, vault, actions } = value;
  if (format !== FORMAT || !Array.isArray(actions)) throw noPlan(file, 'is not a plan of s3vault');
  if (version !== VERSION) throw noPlan(file, 'was written by another version of s3vault');
  const lines = actions.map((action: unknown) => JSON.stringify(action));
  return { vault: checkVault(file, vault), lines };
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw noPlan(file, `cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function parsed(file: string, text: string): { readonly [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as { readonly [name: string]: unknown };
  } catch {
    // Said below.
  }
  throw noPlan(file, 'is not a plan of s3vault');
}

const noPlan = (file: string, why: string): VaultError =>
  new VaultError('usage', 'no-plan', `${file} ${why}`, {
    hint: 'make one with: s3vault sync DIR --plan FILE',
  });
