import { beforeAll, expect, test } from 'vitest'
import { bundleWorkflows } from '../../src/worker/bundle.ts'

const MAX_BYTES = 2_000_000
/** None of these has any business in a sandbox that must be deterministic. */
const STRANGERS = [
  'zod',
  'pg',
  'redis',
  'pino',
  'hono',
  '@prisma',
  '@anthropic-ai',
  '@temporalio/client',
  '@temporalio/activity',
]
const OF_OURS = ['workflows', 'shared']

let code: string
beforeAll(async () => {
  code = await bundleWorkflows()
})

/** Paths of the modules that webpack put in: it names each in a comment or as the key of its factory. */
function modulesIn(bundle: string): string[] {
  return [
    ...new Set([...bundle.matchAll(/["'](\.{0,2}\/[^"'\n]*?\.(?:js|ts|mjs|cjs))["']/g)].map((found) => found[1] ?? '')),
  ]
}

test('the workflow bundle is small enough to be loaded at every start', () => {
  expect(code.length).toBeGreaterThan(100_000)
  expect(code.length).toBeLessThan(MAX_BYTES)
})

test('holds the workflows and nothing that touches the world', () => {
  const modules = modulesIn(code)
  expect(modules.some((path) => path.includes('/src/workflows/coding-task.ts'))).toBe(true)
  const strangers = modules.filter((path) => STRANGERS.some((name) => path.includes(`/node_modules/${name}/`)))
  expect(strangers).toEqual([])
  const folders = new Set(
    modules.flatMap((path) => /\/src\/([\w-]+)\//.exec(path.replace(/.*node_modules.*/, ''))?.[1] ?? []),
  )
  expect([...folders].sort()).toEqual(OF_OURS.toSorted())
})
