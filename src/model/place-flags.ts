/** Commands that are printed must reach the same store: the options that say how. */
import { shellWord } from './display.ts';
import type { Remote } from './vault.ts';

type Reached = Partial<Pick<Remote, 'endpoint' | 'region' | 'profile' | 'pathStyle' | 'caBundle' | 'tlsMin'>>;

/** The options that reach the same store. */
export function remoteFlags(remote: Reached): string {
  const { endpoint, region, profile, pathStyle, caBundle, tlsMin } = remote;
  const said = [
    ['--endpoint', endpoint],
    ['--region', region],
    ['--profile', profile],
    ['--ca-bundle', caBundle],
    ['--tls-min', tlsMin],
  ].flatMap(([name = '', value]) => (value === undefined ? [] : [`${name} ${shellWord(value)}`]));
  const style = pathStyle === undefined ? [] : [pathStyle ? '--path-style' : '--no-path-style'];
  return [...said, ...style].join(' ');
}

/** The same without the least TLS version, which is another thing where a bucket is hardened. */
export function placeFlags(remote: Reached): string {
  const { tlsMin: _, ...reached } = remote;
  return remoteFlags(reached);
}

/** The options of the AWS CLI that reach the same store. */
export function awsFlags({ endpoint, region, profile, caBundle }: Reached): string {
  return [
    ['--endpoint-url', endpoint],
    ['--region', region],
    ['--profile', profile],
    ['--ca-bundle', caBundle],
  ]
    .flatMap(([name = '', value]) => (value === undefined ? [] : [`${name} ${shellWord(value)}`]))
    .join(' ');
}

export const commandLine = (words: readonly string[]): string =>
  words.filter((word) => word !== '').join(' ');
