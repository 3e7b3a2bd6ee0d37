/**
 * What the shared AWS files say about a profile's endpoint and region. The SDK's own look-up follows `AWS_PROFILE` even
 * where a client is given another profile, so it can't be asked (AWS SDKs and Tools Reference, "Service-specific
 * endpoints").
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface ProfileFacts {
  readonly endpoint?: string;
  readonly region?: string;
  readonly ignoresEndpoints: boolean;
}

/** Section name → setting → value; nested settings are `outer.inner`. */
type Sections = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** Reads the profile from the config and credentials files; what is missing or unreadable says nothing. */
export async function readProfile(profile: string, env: NodeJS.ProcessEnv): Promise<ProfileFacts> {
  const home = env['HOME'] ?? env['USERPROFILE'] ?? homedir();
  const config = await sections(env['AWS_CONFIG_FILE'] ?? join(home, '.aws', 'config'));
  const secrets = await sections(env['AWS_SHARED_CREDENTIALS_FILE'] ?? join(home, '.aws', 'credentials'));
  const own = [config.get(`profile ${profile}`), config.get(profile), secrets.get(profile)];
  const say = (name: string): string | undefined => own.find((section) => section?.has(name))?.get(name);
  const services = say('services');
  const endpoint =
    (services === undefined ? undefined : config.get(`services ${services}`)?.get('s3.endpoint_url')) ??
    say('endpoint_url');
  const region = say('region');
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ignoresEndpoints: say('ignore_configured_endpoint_urls')?.toLowerCase() === 'true',
  };
}

async function sections(file: string): Promise<Sections> {
  return parseSections(await readFile(file, 'utf8').catch(() => ''));
}

/** The INI form of the shared files: `[section]`, `name = value`, and indented lines that belong to the name above. */
export function parseSections(text: string): Sections {
  const found = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  let outer = '';
  for (const line of text.split(/\r?\n/)) {
    const heading = /^\s*\[\s*([^\]]+?)\s*\]/.exec(line)?.[1]?.replace(/\s+/g, ' ').replaceAll(/["']/g, '');
    if (heading !== undefined) {
      section = found.get(heading) ?? new Map<string, string>();
      found.set(heading, section);
      outer = '';
      continue;
    }
    const setting = /^(\s*)([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line);
    if (setting === null || section === undefined) continue;
    const [, indent = '', name = '', raw = ''] = setting;
    const value = raw.replace(/\s+[#;].*$/, '');
    if (indent === '') outer = value === '' ? name.toLowerCase() : '';
    const nested = indent !== '' && outer !== '' ? `${outer}.` : '';
    section.set(`${nested}${name.toLowerCase()}`, value);
  }
  return found;
}
