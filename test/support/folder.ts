/** A real folder for one test. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export class Folder {
  readonly root: string;

  /** `top` where another user must be able to come in, too. */
  constructor(top = tmpdir()) {
    this.root = mkdtempSync(join(top, 's3vault-local-'));
  }

  at(path: string): string {
    return join(this.root, path);
  }

  write(path: string, content: string | Buffer = path): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    writeFileSync(this.at(path), content);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
