/** One setting of a vault as the screen shows it. */
export interface Setting {
  readonly name: string;
  /** What it is, in a few words. */
  readonly says: string;
  readonly value: string;
  /** How it is changed. Where it cannot be changed here, `instead` says what to do. */
  readonly change:
    | {
        readonly kind: 'choice';
        readonly choices: readonly [string, ...string[]];
        /** Asked before this choice is made: what it lets happen is hard to undo. */
        readonly asks?: { readonly choice: string; readonly question: string };
      }
    | { readonly kind: 'text'; readonly example: string }
    | { readonly kind: 'no'; readonly instead: string };
}

/** From when on a change holds; what is under way may end first, which takes two minutes at most. */
export type Taken = 'now' | 'after-transfers' | 'at-next-start';

/** The settings of one vault, for a screen that knows no configuration. */
export interface SettingsDesk {
  read(): Promise<readonly Setting[]>;
  /** Checks and saves; gives a sentence that says from when on it holds. Rejects with kind `usage` and changes nothing. */
  change(name: string, value: string): Promise<string>;
}
