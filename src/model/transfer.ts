import type { Action } from './plan.ts';

/** One Action under way. A state carries only its own data. */
export type Transfer = {
  readonly id: number;
  readonly action: Action;
} & TransferState;

export type TransferState =
  | { readonly state: 'queued' }
  | { readonly state: 'reading' }
  | { readonly state: 'sending'; readonly sent: number; readonly total: number }
  | { readonly state: 'verifying' }
  | { readonly state: 'done' }
  | { readonly state: 'failed'; readonly code: string }
  | { readonly state: 'cancelled' };

export type TransferPhase = TransferState['state'];
