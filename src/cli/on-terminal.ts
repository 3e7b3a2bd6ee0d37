/** True where a screen can be shown: keys come from a terminal, and one shows what is drawn. */
export const onTerminal = (): boolean => process.stdin.isTTY && process.stdout.isTTY;
