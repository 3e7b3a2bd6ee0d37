import { render } from 'ink';
import { afterEach, expect, test, vi } from 'vitest';
import { Waiting, type WaitingProps } from '../../src/tui/waiting.tsx';
import { FakeStdin, FakeStdout } from './terminal.ts';

let screen: ReturnType<typeof render> | undefined;
afterEach(() => screen?.unmount());

async function drawn(
  columns: number,
  options: Partial<WaitingProps>,
): Promise<{ text: string; stdin: FakeStdin }> {
  const [stdout, stdin] = [new FakeStdout(columns, 12), new FakeStdin()];
  screen = render(<Waiting pid={7} onQuit={() => undefined} {...options} />, {
    stdout: stdout as unknown as NodeJS.WriteStream,
    stdin: stdin as unknown as NodeJS.ReadStream,
    debug: true,
    exitOnCtrlC: false,
  });
  await screen.waitUntilRenderFlush();
  return { text: stdout.written.join(''), stdin };
}

test('says what it waits for, what is in the way, and how to leave', async () => {
  const trouble = { message: 'the token is \u001b[31m another', hint: 'look at the log' };
  const { text } = await drawn(80, { trouble });
  expect(text).toContain('… waiting for a daemon');
  expect(text).toContain('The daemon (process 7) has ended.');
  expect(text).toContain('s3vault daemon start');
  expect(text).toContain('! the token is \\e[31m another');
  expect(text).toContain('look at the log');
  expect(text).toContain('q leave');
});

test.each(['q', '\u0003'])('is left by %j', async (key) => {
  const onQuit = vi.fn<() => void>();
  const { stdin } = await drawn(40, { onQuit });
  stdin.press('x');
  stdin.press(key);
  await vi.waitUntil(() => onQuit.mock.calls.length > 0, { timeout: 5_000 });
  expect(onQuit).toHaveBeenCalledTimes(1);
});
