/** The render budget: `screen.ts` in processes of its own, in small and large terminals. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCREEN = join(dirname(fileURLToPath(import.meta.url)), 'screen.ts');
const SECONDS = 10;
const SIZES = [
  [80, 24],
  [200, 50],
] as const;

interface Figures {
  readonly fps: number;
  readonly cpu: number;
  readonly keyMedianMs: number;
  readonly keyWorstMs: number;
  readonly escMedianMs: number;
  readonly escWorstMs: number;
  readonly queueMedianMs: number;
  readonly queueWorstMs: number;
  readonly keys: number;
}

/** The section of bench/RESULTS.md. */
export async function screenSection(): Promise<string> {
  const lines = SIZES.map(([columns, rows]) => {
    process.stderr.write(`the screen, ${columns} × ${rows}\n`);
    const ended = spawnSync(process.execPath, [SCREEN, String(SECONDS)], {
      env: { ...process.env, COLUMNS: String(columns), LINES: String(rows) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = ended.stdout.toString();
    const one = JSON.parse(said.slice(said.indexOf('{'), said.lastIndexOf('}') + 1)) as Figures;
    const ms = (value: number): string => `${value.toFixed(0)} ms`;
    return `| ${columns} × ${rows} | ${one.fps} | ${(one.cpu * 100).toFixed(1)} % | ${ms(one.keyMedianMs)} | ${ms(one.keyWorstMs)} | ${ms(one.queueMedianMs)} | ${ms(one.queueWorstMs)} | ${ms(one.escMedianMs)} | ${ms(one.escWorstMs)} |`;
  });
  return `The built screen under 2,000 transfers a second (4,000 Events a second and more) with 100,000 files queued, ${SECONDS} s. CPU of one core, without
what producing the Events costs. A key press is measured until its frame is written, under the same load; escape separately, because the terminal
library waits 20 ms to tell it from the beginning of a longer key. Targets: at most 10 frames a second, less than 10 %, less than 50 ms.

| terminal | frames a second | CPU | key, median | key, worst | key in the queue, median | worst | escape, median | escape, worst |
|---|---|---|---|---|---|---|---|---|
${lines.join('\n')}`;
}
