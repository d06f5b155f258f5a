import { expect, test } from 'vitest'
import type { PastCheckpoint } from '../../../src/restore/find-undo.ts'
import { isInEffect } from '../../../src/restore/is-in-effect.ts'

const at = (
  id: string,
  taskId: string | null,
  treeHash: string,
  restoredFrom: string | null = null,
): PastCheckpoint => ({
  id,
  taskId,
  treeHash,
  restoredFrom,
  isPartial: false,
})
const A = [at('a0', 'A', 't0'), at('a1', 'A', 't1'), at('a2', 'A', 't2')]
const B = [at('b0', 'B', 't2'), at('b1', 'B', 't3')]
const effect = (past: readonly PastCheckpoint[]) => [
  isInEffect([...past].reverse(), { id: 'A', latestTree: 't2' }),
  isInEffect([...past].reverse(), { id: 'B', latestTree: 't3' }),
]

test('a change is in effect until the files go back behind it, and again when they come back', () => {
  expect([
    effect([...A, ...B]),
    effect([...A, ...B, at('u', null, 't2', 'b0')]),
    effect([...A, ...B, at('u', null, 't0', 'a0')]),
    effect([...A, ...B, at('u', null, 't1', 'a1')]),
    effect([...A, ...B, at('u', null, 't0', 'a0'), at('r', null, 't3', 'b1')]),
    effect([...A, ...B, { ...at('p', null, 't9', 'a0'), isPartial: true }]),
    effect([...A, ...B, at('s0', null, 't3'), at('s1', null, 't4')]),
  ]).toEqual([
    [true, true],
    [true, false],
    [false, false],
    [false, false],
    [true, true],
    [true, true],
    [true, true],
  ])
})
