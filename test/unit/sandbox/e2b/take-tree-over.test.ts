import { expect, test } from 'vitest'
import { takeTreeOver } from '../../../../src/sandbox/e2b/keep-checkpoint.ts'
import type { CheckpointStore } from '../../../../src/sandbox/e2b/ledger.ts'
import type { VmLink } from '../../../../src/sandbox/e2b/vm.ts'

const BASE = 'b'.repeat(40)
const OTHER = 'c'.repeat(40)
const TREE = 'd'.repeat(40)

/**
 * Takes a tree over into a store that holds these trees at each look and takes what is appended after the last look.
 * Returns what was done, in order.
 */
async function takeOver(storedTrees: readonly (readonly string[])[]): Promise<string[]> {
  const done: string[] = []
  const looks = [...storedTrees]
  const refuse = () => Promise.reject(new Error('taking a tree over does not ask for this'))
  const link: VmLink = {
    vmId: 'vm',
    async call(operation) {
      done.push(operation)
      return ''
    },
    async *download() {},
    upload: refuse,
    prepare: refuse,
    keepAlive: refuse,
    endsAt: refuse,
    restart: refuse,
    pause: refuse,
  }
  const store: CheckpointStore = {
    async trees() {
      return [...(looks.shift() ?? [])]
    },
    async append(_projectId, newest) {
      const outcome = looks.length === 0 ? 'stored' : 'moved'
      done.push(`append on ${newest[0]}: ${outcome}`)
      return outcome
    },
    packs: refuse,
    confirm: refuse,
    replace: refuse,
  }
  const from = {
    kind: 'packed' as const,
    async pack(_tree: string, base: string) {
      done.push(`pack on ${base[0]}`)
      return Buffer.from('pack')
    },
  }
  const logger = { info: () => undefined, warn: () => done.push('warning') }
  await takeTreeOver({ link, store, projectId: 'p', logger }, from, TREE, BASE)
  return done
}

test('a tree that another checkpoint overtook in the store is packed and imported once', async () => {
  expect(await takeOver([[BASE], [BASE, OTHER]])).toEqual([
    'pack on b',
    'import',
    'append on b: moved',
    'append on c: stored',
  ])
})

test('a tree is packed anew when the store has lost what its pack builds on', async () => {
  expect(await takeOver([[BASE], [OTHER]])).toEqual([
    'pack on b',
    'import',
    'append on b: moved',
    'pack on -',
    'import',
    'append on c: stored',
  ])
})
