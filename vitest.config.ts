import { defineConfig } from 'vitest/config'

/** One project a folder; the heavy ones run after the light ones, those that watch a page or kill parts one file at a time. */
const project = (name: string, groupOrder: number, options: { testTimeout: number; alone?: boolean }) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    pool: 'forks' as const,
    testTimeout: options.testTimeout,
    hookTimeout: Math.max(60_000, options.testTimeout),
    fileParallelism: !options.alone,
    sequence: { groupOrder },
  },
})

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      project('unit', 0, { testTimeout: 20_000 }),
      project('workflow', 1, { testTimeout: 60_000 }),
      project('integration', 2, { testTimeout: 60_000 }),
      project('e2e', 3, { testTimeout: 180_000 }),
      project('browser', 4, { testTimeout: 120_000, alone: true }),
      project('chaos', 5, { testTimeout: 600_000, alone: true }),
    ],
  },
})
