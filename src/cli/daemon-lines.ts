import type { VaultLine } from '../daemon/protocol.ts';
import { wordOf } from '../daemon/status-text.ts';
import { shortWords } from '../model/in-step.ts';
import { formatBytes, plural, safeName, safeText } from '../model/display.ts';

const SEE = '  s3vault attach shows why: P there lists the problems, r tries all that failed again';

/** How a vault stands with the daemon: a line that begins with `head`, and what to do where something is to be done. */
export function vaultLines(line: VaultLine, head = safeName(line.root)): readonly string[] {
  const { state, underWay, planned, done, problems, short, why } = line;
  const busy =
    underWay > 0
      ? `, ${done.files} of ${plural(planned.files, 'file')}, ${formatBytes(done.bytes)} of ${formatBytes(planned.bytes)}`
      : '';
  const trouble = problems > 0 && state !== 'idle' ? `, ${plural(problems, 'problem')}` : '';
  return [
    `${head}  ${wordOf(line)}${busy}${trouble}`,
    ...(short === undefined ? [] : [`! not in step: ${shortWords(short)}`, SEE]),
    ...(why === undefined ? [] : [`! ${safeText(why.message)}`]),
    ...(why?.hint === undefined ? [] : [`  ${safeText(why.hint)}`]),
  ];
}
