import type { EngineHandle } from '../model/command.ts';
import type { Clock } from '../model/ports.ts';

export interface ScreenVault {
  readonly title: string;
  readonly target: string;
  readonly mode: string;
  readonly key: string;
  readonly handle: EngineHandle;
}

export interface ScreenOptions {
  readonly vaults: readonly ScreenVault[];
  readonly clock: Clock;
  readonly note?: string;
}

export async function runScreen(options: ScreenOptions): Promise<void> {
  const { render, Text } = await import('ink');
  const view = render(<Text>{options.vaults.map((vault) => vault.title).join(' ')}</Text>);
  await view.waitUntilExit();
}
