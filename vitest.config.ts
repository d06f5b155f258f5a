import { defineConfig } from 'vitest/config'

interface ProjectOptions {
  readonly testTimeout: number
  /** Files at a time; default two. */
  readonly maxWorkers?: number
}

/** One project a folder; the heavy ones run after the light ones, that which watches a page one file at a time. */
const project = (name: string, groupOrder: number, { testTimeout, maxWorkers = 2 }: ProjectOptions) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    pool: 'forks' as const,
    testTimeout,
    hookTimeout: Math.max(60_000, testTimeout),
    // Tests that say they may run side by side: as many as small machines have cores.
    maxConcurrency: 2,
    maxWorkers,
    sequence: { groupOrder },
  },
})

export default defineConfig({
  test: {
    projects: [
      project('unit', 0, { testTimeout: 60_000 }),
      project('workflow', 1, { testTimeout: 60_000 }),
      // They wait for stores and commands a third of their time.
      project('integration', 2, { testTimeout: 60_000, maxWorkers: 3 }),
      project('e2e', 3, { testTimeout: 180_000 }),
      project('browser', 4, { testTimeout: 120_000, maxWorkers: 1 }),
      project('chaos', 5, { testTimeout: 600_000 }),
    ],
  },
})
