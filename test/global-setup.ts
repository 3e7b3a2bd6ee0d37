/**
 * Once per run, before the workers: says whether a Ceph RGW and a throwaway keychain can be had, and gives the workers
 * the folder in which the first test that needs the RGW starts it. Afterwards, however the run ended, nothing is left.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { INSTALL_HINT, killRgw, missingBinaries, stopRgw } from '../scripts/rgw.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    readonly rgwFolder: string | null;
    readonly keychain: boolean;
    readonly skippingForbidden: boolean;
    readonly runnerPid: number;
  }
}

const forbidden = process.env['CI'] === 'true' || process.env['S3VAULT_FORBID_SKIP'] === '1';

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  project.provide('skippingForbidden', forbidden);
  project.provide('runnerPid', process.pid);
  project.provide('keychain', await probeKeychain());
  const missing = missingBinaries();
  if (missing.length > 0) {
    project.provide('rgwFolder', null);
    withoutRgw(missing);
    return async () => {};
  }
  const folder = mkdtempSync(join(tmpdir(), 's3vault-rgw-'));
  project.provide('rgwFolder', folder);
  const lastResort = (): void => {
    killRgw(join(folder, 'ceph'));
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', lastResort);
  return async () => {
    await stopRgw(join(folder, 'ceph'));
    rmSync(folder, { recursive: true, force: true });
    process.off('exit', lastResort);
  };
}

function withoutRgw(missing: readonly string[]): void {
  const reason = `no ${missing.join(', ')} on PATH; to install on Debian: ${INSTALL_HINT}`;
  if (forbidden) throw new Error(`the tests against Ceph RGW may not be skipped here: ${reason}`);
  process.stderr.write(`tests against Ceph RGW are skipped: ${reason}\n`);
}

/**
 * True where a Secret Service answers that was set up to be thrown away (`scripts/test.js` says so in the environment).
 * A developer's own keychain is never touched, and asked nothing: it could wait for a prompt for ever.
 */
async function probeKeychain(): Promise<boolean> {
  if (process.env['S3VAULT_THROWAWAY_KEYRING'] !== '1') return false;
  const script = `import keytar from 'keytar';
    await keytar.setPassword('s3vault-probe', 'probe', 'x');
    if (await keytar.getPassword('s3vault-probe', 'probe') !== 'x') process.exit(1);
    await keytar.deletePassword('s3vault-probe', 'probe');`;
  const args = ['--input-type=module', '-e', script];
  try {
    await promisify(execFile)(process.execPath, args, {
      timeout: 15_000,
      cwd: join(import.meta.dirname, '..'),
    });
    return true;
  } catch (error) {
    process.stderr.write(`the keychain set up for the tests does not answer: ${String(error)}\n`);
    return false;
  }
}
