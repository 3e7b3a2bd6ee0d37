import type { VaultLine } from '../daemon/protocol.ts';
import { statusText } from '../daemon/status-text.ts';
import { formatBytes, plural } from '../model/display.ts';

/** How a vault stands with the daemon: a line that begins with `head`, and what to do where something is to be done. */
export function vaultLines(line: VaultLine, head = line.root): readonly string[] {
  const { underWay, planned, done, problems, why } = line;
  const busy =
    underWay > 0
      ? `, ${done.files} of ${plural(planned.files, 'file')}, ${formatBytes(done.bytes)} of ${formatBytes(planned.bytes)}`
      : '';
  const trouble = problems > 0 ? `, ${plural(problems, 'problem')}` : '';
  return [
    `${head}  ${statusText([line]).slice(2)}${busy}${trouble}`,
    ...(why === undefined ? [] : [`! ${why.message}`]),
    ...(why?.hint === undefined ? [] : [`  ${why.hint}`]),
  ];
}
