/** `s3vault bucket audit`: what is found in a bucket's settings. */
import { systemClock } from '../clock.ts';
import type { BucketFacts, Finding } from '../model/bucket.ts';
import { plural, shellWord } from '../model/display.ts';
import { EXIT, VaultError } from '../model/errors.ts';
import { commandLine } from '../model/place-flags.ts';
import { type BucketFlags, guardsText, targetOf } from './bucket-target.ts';
import { hung } from './lines.ts';
import type { Output } from './print.ts';

export async function auditCommand(
  bucket: string,
  flags: BucketFlags,
  out: Output = process.stdout,
): Promise<number> {
  const { posture, guards: asked, bucket: name } = await targetOf(bucket, flags);
  try {
    // A certificate that is not trusted, or a name that leads nowhere, is said as such and once.
    await posture.handshake();
    const facts = await posture.facts();
    refuseAllUnread(facts, name, posture.ground.flags);
    const guards = await posture.named(await posture.moving(asked));
    const left = posture.leftoverFinding(await posture.leftovers(guards), guards);
    const findings = [...posture.findings(facts, guards), left];
    const exit = auditExit(findings);
    if (flags.json === true) printJsonFindings(findings, exit, out);
    else {
      out.write(hung('', `s3://${name}, for ${guardsText(guards)}`, 2));
      out.write('\n');
      const harden = posture.hardenCommand(guards);
      for (const finding of findings) out.write(findingText(finding, harden));
      out.write(`\n${verdict(findings, harden)}`);
    }
    return exit;
  } finally {
    await posture.close();
  }
}

/** Where nothing at all can be read for one and the same reason, that reason is the answer. */
function refuseAllUnread(facts: BucketFacts, bucket: string, flags = ''): void {
  const reasons = Object.values(facts).map((setting) =>
    setting.state === 'unknown' && setting.why === 'failed' ? setting.reason : undefined,
  );
  const [first] = reasons;
  if (first === undefined || reasons.some((reason) => reason !== first)) return;
  throw new VaultError('refused', 'bucket-unread', `nothing of the bucket ${first}`, {
    hint: `what is wrong is said by: ${commandLine(['s3vault doctor --to', shellWord(`s3://${bucket}`), flags])}`,
  });
}

export function auditExit(findings: readonly Finding[]): number {
  if (findings.some(({ state, severity }) => state === 'problem' && severity !== 'low'))
    return EXIT.someFailed;
  // What a store does not have has no way out; what may not be read has.
  if (findings.some(({ state, fix }) => state === 'unknown' && fix !== undefined)) return EXIT.refused;
  return EXIT.inStep;
}

const SIGNS: { readonly [S in Finding['state']]: (severity: string) => string } = {
  ok: () => '✓ ok',
  problem: (severity) => (severity === 'low' ? `! ${severity}` : `✗ ${severity}`),
  unknown: () => '? unknown',
  note: () => '· note',
};

const INDENT = 11;

/** The command that mends most of them is said once, at the end. */
export function findingText({ state, severity, title, reason, fix }: Finding, harden: string): string {
  const head = SIGNS[state](severity).padEnd(INDENT);
  const pad = ' '.repeat(INDENT);
  const why = reason === '' ? '' : hung(pad, reason);
  const mend = fix === undefined ? '' : hung(`${pad}→ `, fix === harden ? 'harden mends it, see below' : fix);
  return `${hung(head, title)}${state === 'ok' ? '' : why}${mend}`;
}

function verdict(findings: readonly Finding[], harden: string): string {
  const count = (fits: (finding: Finding) => boolean): number => findings.filter(fits).length;
  const problems = count(({ state }) => state === 'problem');
  const unknown = count(({ state }) => state === 'unknown');
  const parts = [
    plural(
      count(({ state }) => state === 'ok'),
      'check',
    ) + ' ok',
    ...(problems > 0 ? [plural(problems, 'problem')] : []),
    ...(unknown > 0 ? [`${unknown} unknown`] : []),
  ];
  const mends = findings.some(({ fix }) => fix === harden);
  const next = mends ? `see what harden would change, with nothing written:\n  ${harden} --dry-run\n` : '';
  return `${parts.join(', ')}\n${next}`;
}

function printJsonFindings(findings: readonly Finding[], exit: number, out: Output): void {
  const time = new Date(systemClock.now()).toISOString();
  for (const finding of findings) out.write(`${JSON.stringify({ event: 'finding', time, ...finding })}\n`);
  const count = (state: Finding['state']): number => findings.filter((one) => one.state === state).length;
  out.write(
    `${JSON.stringify({ event: 'summary', time, ok: count('ok'), problems: count('problem'), unknown: count('unknown'), exit })}\n`,
  );
}
