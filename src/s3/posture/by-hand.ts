/** The command that puts a setting back as it was, for a person to run: s3vault could not. */
import { shellWord } from '../../model/display.ts';
import { commandLine } from '../../model/place-flags.ts';
import { encryptionInput, publicAccessInput } from './sdk-form.ts';
import type { Undoable } from './step.ts';

export interface ByHand {
  readonly bucket: string;
  /** Options of the AWS CLI that reach the same store. */
  readonly flags: string;
  /** The file in which the policy is kept that was there before; undefined: there was none. */
  readonly policyFile?: string | undefined;
}

export function putBackCommand(change: Undoable, { bucket, flags, policyFile }: ByHand): string {
  const command = (verb: string, ...options: readonly string[]): string =>
    commandLine([`aws s3api ${verb} --bucket`, shellWord(bucket), ...options, flags]);
  const { setting, before } = change;
  switch (setting) {
    case 'policy':
      if (before === undefined) return command('delete-bucket-policy');
      return command(
        'put-bucket-policy',
        '--policy',
        shellWord(policyFile === undefined ? before : `file://${policyFile}`),
      );
    case 'encryption': {
      if (before === undefined) return command('delete-bucket-encryption');
      const { ServerSideEncryptionConfiguration: rules } = encryptionInput(before);
      const json = shellWord(JSON.stringify(rules));
      return command('put-bucket-encryption', '--server-side-encryption-configuration', json);
    }
    case 'publicAccess': {
      if (before === undefined) return command('delete-public-access-block');
      const { PublicAccessBlockConfiguration: switches } = publicAccessInput(before);
      const json = shellWord(JSON.stringify(switches));
      return command('put-public-access-block', '--public-access-block-configuration', json);
    }
    default:
      return setting satisfies never;
  }
}
