/** The launchd agent of macOS (launchd.plist(5)). */
import { join } from 'node:path';
import { EXIT } from '../model/errors.ts';
import type { InstallFacts } from './install-facts.ts';

export const AGENT = 'org.s3vault.daemon';

/** launchd starts anew whatever ends in trouble, also where another try mends nothing: it is told that all is well then. */
export const isAgent = (env: NodeJS.ProcessEnv): boolean => env['XPC_SERVICE_NAME'] === AGENT;

/** What another start does not mend: a wrong configuration, and another daemon that runs. */
export const isHopeless = (exit: number): boolean => exit === EXIT.usage || exit === EXIT.held;

export function agentText({
  node,
  main,
  args,
  places,
  env,
  passphraseFile,
  credentialsFile,
}: InstallFacts): string {
  const words = [node, main, 'daemon', 'run', ...args];
  const all = {
    ...env,
    ...(passphraseFile === undefined ? {} : { S3VAULT_PASSPHRASE_FILE: passphraseFile }),
    ...(credentialsFile === undefined ? {} : { AWS_SHARED_CREDENTIALS_FILE: credentialsFile }),
  };
  const log = join(places.logs, 'daemon.log');
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${AGENT}</string>
  <key>ProgramArguments</key>
  <array>
${words.map((one) => `    <string>${xml(one)}</string>`).join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${Object.entries(all)
  .map(([name, value]) => `    <key>${xml(name)}</key>\n    <string>${xml(value)}</string>`)
  .join('\n')}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>15</integer>
  <key>ExitTimeOut</key>
  <integer>15</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardOutPath</key>
  <string>${xml(log)}</string>
  <key>StandardErrorPath</key>
  <string>${xml(log)}</string>
</dict>
</plist>
`;
}

const ENTITIES: { readonly [char: string]: string } = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

const xml = (text: string): string => text.replaceAll(/[&<>"]/g, (char) => ENTITIES[char] ?? char);
