/** Exit codes: it went well, it did not, the command or its words were refused, Ctrl-C (128 + SIGINT). */
export const EXIT = { good: 0, bad: 1, notAsked: 2, cancelled: 130 } as const
