/** Which vaults are in a bucket, what they write, and what refuses it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Config } from '../../src/config.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/embedded/server.ts';
import { objectKey, vaultId } from '../../src/model/brands.ts';
import type { Mode } from '../../src/model/mode.ts';
import type { Remote, Vault } from '../../src/model/vault.ts';
import { type ResolvedRemote, resolveRemote } from '../../src/s3/connect.ts';
import { openBucket } from '../../src/s3/posture/open-bucket.ts';
import { openStore } from '../../src/s3/open-store.ts';
import { type Guard, modeRules } from '../../src/s3/posture/rules.ts';
import { guardText, guardsOf, vaultsIn, withMoves } from '../../src/vaults/bucket-guards.ts';
import { explainOwnRule } from '../../src/vaults/own-rules.ts';

const S3: Mode = { kind: 'sse-s3' };
const KMS: Mode = { kind: 'sse-kms', keyId: 'vault-key-1', context: {} };

function vaultAt(root: string, remote: Partial<Remote>, more: Partial<Vault> = {}): Vault {
  const place = { bucket: 'acme', prefix: 'docs/', ...remote };
  const rules = { removals: false, include: [], exclude: [] };
  return {
    id: vaultId('00000000-0000-4000-8000-000000000000'),
    root,
    remote: place,
    mode: S3,
    direction: 'push',
    rules,
    ...more,
  };
}

describe('buckets of one name in several stores', () => {
  const env = { AWS_REGION: 'eu-west-1' };
  const config = (...remotes: readonly Partial<Remote>[]): Config => ({
    version: 1,
    vaults: remotes.map((remote, at) => vaultAt(`/v${at}`, remote)),
  });
  const roots = async (all: Config, said: Partial<Remote> = {}, more: NodeJS.ProcessEnv = {}) =>
    (await vaultsIn(all, 'acme', said, { ...env, ...more })).map(({ root }) => root);
  const [A, B] = ['https://a.example', 'https://b.example'] as const;

  test('only the vaults of the store that is meant count', async () => {
    const both = config({}, { endpoint: A }, { bucket: 'other' });
    expect(await roots(both)).toEqual(['/v0']);
    expect(await roots(both, { endpoint: `${A}/` })).toEqual(['/v1']);
    expect(await roots(both, { endpoint: B })).toEqual([]);
    expect(await roots(both, {}, { AWS_ENDPOINT_URL_S3: A })).toEqual(['/v0', '/v1']);
    expect(await roots(config({}, { region: 'cn-north-1' }))).toEqual(['/v0']);
  });

  test('the only store that has vaults there need not be said; of several one must be', async () => {
    expect(await roots(config({ endpoint: A }))).toEqual(['/v0']);
    await expect(roots(config({ endpoint: A }, { endpoint: B }))).rejects.toMatchObject({
      code: 'which-store',
      message: expect.stringContaining('a.example') as string,
    });
  });
});

test('a vault on its way to another mode writes in both, and is called so', () => {
  const [guard] = guardsOf([vaultAt('/home/a', {}, { rekeyTo: KMS })]);
  expect(guard).toMatchObject({
    mode: 'sse-s3',
    vault: '/home/a',
    next: { mode: 'sse-kms', kmsKeyId: 'vault-key-1' },
  });
  expect(guardText(guard!)).toBe('the vault /home/a (sse-s3, on its way to sse-kms; docs/)');
  const rotated: Guard = { prefix: '', mode: 'sse-kms', next: { mode: 'sse-kms' } };
  expect(guardText(rotated)).toBe('mode sse-kms, on its way to another key in the whole bucket');
});

describe('on a store', () => {
  let server: EmbeddedServer;
  let folder: string;
  let remote: Remote;
  let env: NodeJS.ProcessEnv;
  let resolved: ResolvedRemote;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 's3vault-guards-'));
    server = await startEmbedded({ kmsKeys: [{ id: 'vault-key-1' }] });
    server.createBucket('acme');
    const caBundle = await server.caFile(folder);
    remote = { bucket: 'acme', prefix: '', endpoint: server.url, region: server.region, caBundle };
    const { accessKeyId, secretAccessKey } = server.credentials;
    env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    resolved = await resolveRemote(remote, env);
  });
  afterAll(async () => {
    await resolved.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  test('a move that another machine has begun is in the bucket', async () => {
    const store = openStore(
      await resolveRemote(remote, env),
      { mode: 'sse-s3' },
      { clock: systemClock, transfers: 1 },
    );
    const moving = { mode: 'sse-kms', key: 'vault-key-1' };
    const text = {
      version: 1,
      id: 'x',
      mode: 'sse-s3',
      keys: ['vault-key-1'],
      created: '',
      movingTo: moving,
    };
    await store.put(objectKey('docs/.s3vault/vault.json'), Buffer.from(JSON.stringify(text)), {});
    await store.close();
    const guards: readonly Guard[] = [
      { prefix: 'docs/', mode: 'sse-s3' },
      { prefix: 'docs/', mode: 'sse-kms', kmsKeyId: 'vault-key-1' },
      { prefix: 'docs/', mode: 'client' },
      { prefix: 'other/', mode: 'sse-s3' },
    ];
    const found = await withMoves(guards, remote, env, systemClock);
    expect(found.map(({ next }) => next?.mode)).toEqual(['sse-kms', 'sse-s3', undefined, undefined]);
  });

  test('a refused write names the rule of ours that refuses it, and the command that lifts it', async () => {
    const place = vaultAt('/home/a', { ...remote, prefix: 'docs/' });
    const policy = (guard: Guard) =>
      JSON.stringify({ Version: '2012-10-17', Statement: modeRules(resolved, guard) });
    const put = async (mode: Mode, rule: Guard | undefined, from?: Mode) => {
      server.createBucket('acme', rule === undefined ? {} : { policy: policy(rule) });
      const explain = explainOwnRule(place, resolved, mode, from);
      const store = openStore(
        await resolveRemote(remote, env),
        { mode: 'sse-s3' },
        { clock: systemClock, transfers: 1, explain },
      );
      const error = await store
        .put(objectKey('docs/a'), Buffer.from('x'), {})
        .catch((thrown: unknown) => thrown);
      await store.close();
      return error as { readonly message?: string; readonly hint?: string };
    };
    const rule: Guard = { prefix: 'docs/', mode: 'dsse-kms' };
    const refused = await put(S3, rule);
    expect(refused.message).toContain('its rule S3vaultRequireHeader');
    const reached = `--endpoint ${server.url} --region ${server.region} --ca-bundle ${remote.caBundle ?? ''}`;
    expect(refused.hint).toContain(`s3vault bucket harden s3://acme/docs/ --mode sse-s3 ${reached}`);
    expect((await put(S3, rule, KMS)).hint).toContain(
      `s3vault bucket harden s3://acme/docs/ --to-mode sse-s3 ${reached}`,
    );
    const whole = await put(S3, { ...rule, prefix: '' }, KMS);
    expect(whole.hint).toContain('harden s3://acme/ --mode sse-kms --kms-key vault-key-1 --to-mode sse-s3');
  });

  test('blocked SSE-C is allowed by a command that reaches the same store', async () => {
    server.createBucket('acme', { blockSseC: true });
    const opened = openBucket(await resolveRemote({ ...remote, tlsMin: '1.3' }, env), systemClock);
    const trial = await opened.trials.put(objectKey('docs/.s3vault/trial-1'), { kind: 'sse-c' });
    await opened.close();
    const hint = trial.outcome === 'refused' ? trial.error.hint : undefined;
    const reached = `--endpoint ${server.url} --region ${server.region} --ca-bundle ${remote.caBundle ?? ''}`;
    expect(hint).toBe(`allow it with: s3vault bucket harden acme --allow-sse-c ${reached}`);
  });

  test('a refusal that is not ours stays as the store said it, with an audit of the same store', async () => {
    const theirs = { Sid: 'Theirs', Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: '*' };
    server.createBucket('acme', { policy: { Version: '2012-10-17', Statement: [theirs] } });
    const explain = explainOwnRule(vaultAt('/home/a', remote), resolved, S3);
    const store = openStore(
      await resolveRemote(remote, env),
      { mode: 'sse-s3' },
      { clock: systemClock, transfers: 1, explain },
    );
    await expect(store.put(objectKey('a'), Buffer.from('x'), {})).rejects.toMatchObject({
      message: expect.stringContaining('the store denies access') as string,
      hint: expect.stringContaining(`s3vault bucket audit acme --endpoint ${server.url} --region`) as string,
    });
    await store.close();
  });
});
