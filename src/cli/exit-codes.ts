/** What the client ends with. */
export const EXIT = { good: 0, bad: 1, notAsked: 2, cancelled: 130 } as const
