/** What is trusted: the system's certificate authorities, and those the user adds. Nothing here weakens TLS. */
import { readFile } from 'node:fs/promises';
import { type SecureContext, type SecureVersion, createSecureContext, getCACertificates } from 'node:tls';
import { VaultError } from '../model/errors.ts';
import type { Remote } from '../model/vault.ts';

/**
 * One context for all connections to a store: TLS 1.2 or 1.3 at least; trusted are Node's own list, with it
 * `NODE_EXTRA_CA_CERTS`, and the files in `AWS_CA_BUNDLE` and `--ca-bundle`.
 */
export async function secureContext(remote: Remote, env: NodeJS.ProcessEnv): Promise<SecureContext> {
  const extra = await extraAuthorities(remote, env);
  const minVersion = remote.tlsMin === '1.3' ? 'TLSv1.3' : 'TLSv1.2';
  if (extra.length === 0) return createSecureContext({ minVersion });
  try {
    return trusting(minVersion, extra);
  } catch (cause) {
    throw new VaultError('usage', 'ca-bundle', 'the CA bundle is not a PEM file with certificates', {
      cause,
      hint: 'look at --ca-bundle, AWS_CA_BUNDLE and NODE_EXTRA_CA_CERTS',
    });
  }
}

const MADE_AT_MOST = 8;
const made = new Map<string, SecureContext>();

/** To read Node's whole list costs 50 ms of processor time, so stores that trust the same share a context. */
function trusting(minVersion: SecureVersion, extra: readonly string[]): SecureContext {
  const name = [minVersion, ...extra].join('\n');
  const context =
    made.get(name) ?? createSecureContext({ minVersion, ca: [...getCACertificates('default'), ...extra] });
  made.delete(name);
  made.set(name, context);
  for (const oldest of made.keys()) if (made.size > MADE_AT_MOST) made.delete(oldest);
  return context;
}

async function extraAuthorities(remote: Remote, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const { AWS_CA_BUNDLE: aws, NODE_EXTRA_CA_CERTS: node } = env;
  const named = [remote.caBundle, aws].filter((file) => file !== undefined && file !== '');
  const texts = await Promise.all(named.map((file) => readBundle(file ?? '')));
  // Node itself only warns when this one can't be read.
  const own = node === undefined || node === '' ? '' : await readFile(node, 'utf8').catch(() => '');
  return own === '' ? texts : [...texts, own];
}

async function readBundle(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new VaultError('usage', 'ca-bundle', `the CA bundle ${file} can't be read`, {
      cause,
      hint: 'name a readable PEM file with --ca-bundle or AWS_CA_BUNDLE',
    });
  });
  if (text.includes('-----BEGIN CERTIFICATE-----') || text.includes('-----BEGIN TRUSTED CERTIFICATE-----'))
    return text;
  throw new VaultError('usage', 'ca-bundle', `${file} holds no certificate`, {
    hint: 'a CA bundle is a PEM file: it has lines that say BEGIN CERTIFICATE',
  });
}
