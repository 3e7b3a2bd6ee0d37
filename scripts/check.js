// `npm run check`: formatting, lint, types. Runs all of them, says which failed.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');

const STEPS = [
  { name: 'format', command: 'biome', args: ['format', '.'], fix: 'npm run fix' },
  { name: 'lint', command: 'oxlint', args: ['--type-aware', '--deny-warnings'] },
  { name: 'types', command: 'tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
];

/**
 * @returns {string[]} the names of the steps that failed
 */
export function runChecks() {
  return STEPS.filter(({ name, command, args, fix }) => {
    const started = performance.now();
    const { status, error } = spawnSync(join(top, 'node_modules', '.bin', command), args, {
      cwd: top,
      stdio: ['ignore', 'inherit', 'inherit'],
      shell: process.platform === 'win32',
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const how = error ? `could not run: ${error.message}` : status === 0 ? 'passed' : 'FAILED';
    console.log(`check ${name}: ${how} (${seconds} s)${how === 'passed' || !fix ? '' : `; try ${fix}`}`);
    return status !== 0;
  }).map(({ name }) => name);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = runChecks().length === 0 ? 0 : 1;
}
