/** A datagram socket as systemd has one, in Perl, because Node has none; Debian always brings Perl. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { describe } from 'vitest';
import { describeWithout } from '../rgw.ts';

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

/** A suite that needs systemd-notify, but not systemd. */
export function describeNotify(name: string, suite: () => void): void {
  if (has('systemd-notify') && has('perl')) describe(name, suite);
  else describeWithout(name, suite, 'systemd-notify or perl is missing: apt-get install systemd perl');
}

const PROGRAM = String.raw`
use strict; use Socket; $| = 1;
my $path = shift; $path =~ s/^@/\0/;
socket(my $in, PF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
bind($in, pack_sockaddr_un($path)) or die "bind: $!";
print "listening\n";
while (defined(recv($in, my $text, 65536, 0))) { $text =~ s/\n/\t/g; print "$text\n"; }
`;

export class NotifySocket {
  readonly #child: ChildProcess;
  /** Messages, each as its lines; what systemd-notify asks for itself is left out. */
  readonly all: string[][] = [];
  #wake: () => void = () => undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async open(path: string): Promise<NotifySocket> {
    const child = spawn('perl', ['-e', PROGRAM, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const socket = new NotifySocket(child);
    const listening = Promise.withResolvers<void>();
    child.once('exit', () => listening.reject(new Error('the notify socket ended')));
    let rest = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === 'listening') listening.resolve();
        else if (!line.startsWith('BARRIER=')) socket.all.push(line.split('\t'));
      }
      socket.#wake();
    });
    await listening.promise;
    return socket;
  }

  /** The first `count` messages, once they are there. */
  async messages(count: number): Promise<readonly string[][]> {
    return this.until(() => this.all.length >= count);
  }

  async until(fits: (all: readonly string[][]) => boolean): Promise<readonly string[][]> {
    while (!fits(this.all)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.all;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}
