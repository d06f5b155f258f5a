/** What is done to the stores, alone and two at once. One list: the short test plays some rows of it, the long run all. */

export type Store = 'postgres' | 'redis' | 'temporal'

/**
 * - stopped: ended, started again at the same address when the time is over
 * - frozen: SIGSTOP of all its processes, then SIGCONT
 * - full: Postgres and Temporal have no room left on their file system, Redis none in its memory (noeviction)
 * - read-only: the database refuses writes, as one does that was demoted or that its provider has closed for writing
 * - out of connections: others hold every connection that Postgres gives
 * - slow, lossy, stalled: the network between the product and the store, see proxy.ts
 * - evicting: Redis throws keys away (allkeys-lru) whenever it is written to
 */
export type StoreFault = 'stopped' | 'frozen' | 'full' | 'read-only' | 'out of connections' | 'evicting' | NetworkFault

type NetworkFault = 'slow' | 'lossy' | 'stalled'

export interface Hit {
  readonly store: Store
  readonly fault: StoreFault
}

/** Hits that begin and end together. */
export type Row = readonly Hit[]

const alone = (store: Store, ...faults: readonly StoreFault[]): Row[] => faults.map((fault) => [{ store, fault }])

const pair = (first: Store, second: Store, ...faults: readonly StoreFault[]): Row[] =>
  faults.map((fault) => [
    { store: first, fault },
    { store: second, fault },
  ])

export const MATRIX: readonly Row[] = [
  ...alone('postgres', 'stopped', 'frozen', 'full', 'read-only', 'out of connections'),
  ...alone('redis', 'stopped', 'frozen', 'full', 'evicting'),
  ...alone('temporal', 'stopped', 'frozen', 'full'),
  ...pair('postgres', 'redis', 'stopped', 'frozen'),
  ...pair('postgres', 'temporal', 'stopped', 'frozen'),
  ...pair('redis', 'temporal', 'stopped', 'frozen'),
]

/** The same for the network in between. */
export const NETWORK_MATRIX: readonly Row[] = [
  ...alone('postgres', 'stalled'),
  ...alone('redis', 'stalled'),
  ...alone('temporal', 'stalled'),
  ...(['slow', 'lossy'] as const).map((fault) =>
    (['postgres', 'redis', 'temporal'] as const).map((store) => ({ store, fault })),
  ),
]

/** `postgres stopped`, `postgres + temporal frozen`. */
export function nameOf(row: Row): string {
  return `${row.map(({ store }) => store).join(' + ')} ${row[0]?.fault}`
}

/** The rows of the matrix with these names. Throws for a name that is none. */
export function rowsNamed(...names: readonly string[]): Row[] {
  return names.map((name) => {
    const row = [...MATRIX, ...NETWORK_MATRIX].find((one) => nameOf(one) === name)
    if (row === undefined) throw new Error(`${name} is no row; there are: ${MATRIX.map(nameOf).join(', ')}`)
    return row
  })
}

/** Whether a part that is hit so counts as away all the time; evicting is no failure, as Redis holds only copies. */
export function isAway({ fault }: Hit): boolean {
  return fault !== 'evicting' && fault !== 'slow' && fault !== 'lossy'
}

/** Whether an answer may get lost on its way, so that a call that failed may have been done all the same. */
export function losesAnswers({ fault }: Hit): boolean {
  return fault === 'frozen' || fault === 'lossy' || fault === 'stalled'
}
