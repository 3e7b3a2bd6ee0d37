import { beforeEach, expect, test } from 'vitest';
import { type AttachWorld, type AttachedDaemon, attach } from '../../src/cli/attach.ts';
import { RemoteVault } from '../../src/daemon/client.ts';
import type { OpenBrowser } from '../../src/cli/browser.ts';
import { VaultError } from '../../src/model/errors.ts';
import { EMPTY_SNAPSHOT } from '../../src/model/snapshot.ts';
import type { Vault } from '../../src/model/vault.ts';
import type { Stage } from '../../src/tui/full-screen.ts';
import type { ScreenOptions } from '../../src/tui/run.tsx';
import type { WaitingProps } from '../../src/tui/waiting.tsx';
import { settled, vault } from '../daemon/fakes.ts';
import { ManualClock } from '../support/manual-clock.ts';

const A = vault('a');
const B = vault('b');

/** The end of a socket, without one. */
class FakeDaemon implements AttachedDaemon {
  readonly facts = { version: '1', pid: 7, started: '', ready: true };
  over = false;
  why: VaultError | undefined;
  closed = false;
  onRead: () => void = () => undefined;
  readonly #listeners = new Set<() => void>();
  #vaults: readonly RemoteVault[] = [];

  constructor(...vaults: readonly Vault[]) {
    this.has(...vaults);
  }

  /** Each reading of them may be followed by news. */
  get vaults(): readonly RemoteVault[] {
    queueMicrotask(() => this.onRead());
    return this.#vaults;
  }

  has(...vaults: readonly Vault[]): void {
    const ways = { command: () => undefined };
    this.#vaults = vaults.map((one) => new RemoteVault(one, EMPTY_SNAPSHOT, ways));
    for (const listener of this.#listeners) listener();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  watch = async (): Promise<unknown> => undefined;
  status = async (): ReturnType<AttachedDaemon['status']> => ({
    ...this.facts,
    locked: false,
    memory: 0,
    clients: 1,
    vaults: [],
  });

  close(): void {
    this.closed = true;
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

let clock: ManualClock;
let connects: (() => Promise<AttachedDaemon | undefined>) | undefined;
let screens: ScreenOptions[];
let waiting: WaitingProps[];
let said: string[];
let stages: number;
let closed: number;
/** What the user or the daemon does while a screen stands. */
let onScreen: (options: ScreenOptions) => Promise<void> | void;

beforeEach(() => {
  clock = new ManualClock();
  connects = undefined;
  screens = [];
  waiting = [];
  said = [];
  stages = 0;
  closed = 0;
  onScreen = () => undefined;
});

function stage(): Stage {
  const { promise, resolve } = Promise.withResolvers<void>();
  stages++;
  return {
    show: () => undefined,
    drawn: async () => undefined,
    over: promise,
    close: () => {
      closed++;
      resolve();
    },
  };
}

const world = (): AttachWorld => ({
  clock,
  connect: () => connects?.() ?? Promise.resolve(undefined),
  tui: async () => {
    // As long as it takes to load it.
    await settled();
    return {
      blankStage: async () => stage(),
      runScreen: async (options) => {
        screens.push(options);
        if (options.changed?.aborted !== true) await onScreen(options);
      },
      showWaiting: async (_, options) => void waiting.push(options),
    };
  },
  facts: async ({ root }) => ({ title: root, target: '', mode: 'sse-s3', key: '' }),
  keyDesk: () => () => Promise.reject(new Error('not asked for')),
  say: (text) => said.push(text),
});

async function passes(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.advance(250);
    await settled();
    await settled();
  }
}

const titles = (): string[][] => screens.map(({ vaults }) => vaults.map(({ title }) => title));

test('a vault that comes while the screen is being opened is shown', async () => {
  const daemon = new FakeDaemon(A);
  daemon.onRead = () => {
    daemon.onRead = () => undefined;
    daemon.has(A, B);
  };
  expect(await attach(daemon, undefined, world())).toBe(0);
  expect(titles().at(-1)).toStrictEqual(['/files/a', '/files/b']);
  expect(daemon.closed).toBe(true);
  expect(daemon.listeners).toBe(0);
  expect([stages, closed]).toStrictEqual([1, 1]);
});

test('a restore that ended with the screen has a last word once the terminal is as before', async () => {
  const end = { out: '/back', files: 1, bytes: 5, failed: 0, stopped: true, whole: false, problems: [] };
  const browser = {
    ...({} as OpenBrowser),
    close: async () => [{ wish: { path: 'a', out: '/back' }, end, from: A.root }],
  };
  const seen: number[] = [];
  const { facts, ...rest } = world();
  const attached = attach(new FakeDaemon(A), undefined, {
    ...rest,
    facts: async (one) => ({ ...(await facts(one)), browser }),
    say: (text) => {
      seen.push(closed);
      said.push(text);
    },
  });
  expect(await attached).toBe(130);
  expect(said.join('')).toContain('the restore was broken off: 1 file restored into /back, 5 B so far');
  expect(seen).toEqual([1, 1]);
});

test('stays on the same stage until the next daemon is there, and where that is not one yet', async () => {
  const [first, second] = [new FakeDaemon(A), new FakeDaemon(A)];
  onScreen = () => {
    if (screens.length > 1) return;
    first.over = true;
    first.why = new VaultError('offline', 'daemon-silent', 'it does not answer');
  };
  connects = () => Promise.reject(new VaultError('usage', 'wrong-token', 'the token is another one'));
  const attached = attach(first, undefined, world());
  await passes(5_000);
  expect(waiting[0]).toMatchObject({ pid: 7, trouble: { code: 'daemon-silent' } });
  expect(waiting.at(-1)).toMatchObject({ trouble: { code: 'wrong-token' } });
  connects = async () => second;
  await passes(15_000);
  expect(await attached).toBe(0);
  expect(titles()).toStrictEqual([['/files/a'], ['/files/a']]);
  expect([first.closed, second.closed, stages, closed]).toStrictEqual([true, true, 1, 1]);
});

test('ends with what is in the way, once the terminal is as before', async () => {
  const daemon = new FakeDaemon(A);
  onScreen = () => {
    daemon.over = true;
  };
  const wrong = new VaultError('security', 'socket-not-mine', 'not made by you');
  connects = () => Promise.reject(wrong);
  let ended: unknown;
  void attach(daemon, undefined, world()).catch((thrown: unknown) => {
    ended = [thrown, closed];
  });
  await passes(60_000);
  expect(ended).toStrictEqual([wrong, 1]);
});

test('who leaves while none is there leaves at once', async () => {
  const daemon = new FakeDaemon(A);
  onScreen = () => {
    daemon.over = true;
  };
  const attached = attach(daemon, undefined, world());
  await passes(2_000);
  waiting.at(-1)?.onQuit();
  expect(await attached).toBe(0);
  expect(closed).toBe(1);
});

test('without vaults no screen is opened, and it is said how to make one', async () => {
  expect(await attach(new FakeDaemon(), undefined, world())).toBe(0);
  expect(said.join('')).toMatch(/^the daemon has no vaults; make one with: s3vault sync DIR/);
  expect(stages).toBe(0);
});

test('one vault that the daemon never had is an error that says what to do', async () => {
  const attached = attach(new FakeDaemon(B), A, world());
  await expect(attached).rejects.toMatchObject({
    kind: 'usage',
    code: 'not-with-daemon',
    message: 'the daemon does not have the vault /files/a',
    hint: 'have it read its configuration again: s3vault daemon reload',
  });
  expect(said).toStrictEqual([]);
  expect(stages).toBe(0);
});

test('one vault that the daemon has no more ends the screen, and says so', async () => {
  const daemon = new FakeDaemon(A, B);
  onScreen = () => daemon.has(B);
  expect(await attach(daemon, A, world())).toBe(0);
  expect(titles()).toStrictEqual([['/files/a']]);
  expect(said.join('')).toBe(
    'the daemon no longer has the vault /files/a\n' +
      '  where s3vault vaults still lists it: s3vault daemon reload\n',
  );
  expect([stages, closed]).toStrictEqual([1, 1]);
});
