import { safeName } from '../model/display.ts';
import { VaultError } from '../model/errors.ts';
import { outsideFault } from '../model/path-fault.ts';

/** The last line: whoever asked, nothing is read, written or removed outside a vault's folder. Throws code `outside`. */
export function checkInside(path: string): void {
  const fault = outsideFault(path);
  if (fault === undefined) return;
  throw new VaultError('file', 'outside', `${path === '' ? 'a file' : safeName(path)} ${fault}`, {
    hint: 'nothing was read, written or removed there',
  });
}
