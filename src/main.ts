#!/usr/bin/env node
/**
 * The entry: argv in, exit code out. Says the version without loading anything, refuses an old Node with the way out,
 * and leaves all else to `cli`.
 */
import { readFileSync } from 'node:fs';
import { boundYoungHeap } from './young-heap.ts';

const NEEDED = 24;

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** A disk without room behind standard output ends no program with a stack trace. */
async function printed(text: string): Promise<number> {
  process.stdout.on('error', () => undefined);
  const fault = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => {
    process.stdout.write(text, resolve);
  });
  if (!fault || fault.code === 'EPIPE') return 0;
  process.stderr.on('error', () => undefined);
  process.stderr.write(`s3vault: standard output cannot be written: ${fault.message}\n`);
  return 3;
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    return printed(`${version()}\n`);
  }
  const major = Number(process.versions.node.split('.')[0]);
  if (major < NEEDED) {
    process.stderr.write(
      `s3vault: needs Node ${NEEDED} or newer, and this is ${process.version}\n` +
        '  in a checkout, npx s3vault uses the Node that npm ci installed; else: https://nodejs.org\n',
    );
    return 2;
  }
  boundYoungHeap();
  const { runCommandLine } = await import('./cli/program.ts');
  return runCommandLine(args, version());
}

process.exitCode = await main();
