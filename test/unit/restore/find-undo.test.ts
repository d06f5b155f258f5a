import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findUndo, type PastCheckpoint } from '../../../src/restore/find-undo.ts'

/** Checkpoints as they came, oldest first: `task:tree`, or `<origin` for a restore, `~origin` for one of chosen paths. */
function past(...steps: readonly string[]): PastCheckpoint[] {
  const made: PastCheckpoint[] = []
  for (const [index, step] of steps.entries()) {
    const id = `c${index}`
    const isRestore = step.startsWith('<') || step.startsWith('~')
    const [taskId = '', treeHash = ''] = step.split(':')
    made.push(
      isRestore
        ? { id, taskId: null, treeHash: id, restoredFrom: `c${step.slice(1)}`, isPartial: step.startsWith('~') }
        : { id, taskId, treeHash, restoredFrom: null, isPartial: false },
    )
  }
  return made.reverse()
}

const undoOf = (...steps: readonly string[]) => {
  const found = findUndo(past(...steps))
  return found && [found.taskId, found.start.id]
}

describe('findUndo', () => {
  test.each<[string, readonly string[], [string, string] | null]>([
    ['nothing was ever done', [], null],
    ['a task changed nothing', ['a:0'], null],
    ['a task changed files and changed them back', ['a:0', 'a:1', 'a:0'], null],
    ['the newest task changed files', ['a:0', 'a:1', 'b:1', 'b:2'], ['b', 'c2']],
    ['the newest task changed nothing', ['a:0', 'a:1', 'b:1'], ['a', 'c0']],
    ['the newest task was undone', ['a:0', 'a:1', 'b:1', 'b:2', '<2'], ['a', 'c0']],
    ['both were undone', ['a:0', 'a:1', 'b:1', 'b:2', '<2', '<0'], null],
    ['the undone task was restored', ['a:0', 'a:1', 'b:1', 'b:2', '<2', '<3'], ['b', 'c2']],
    ['an older moment of a task was restored', ['a:0', 'a:1', 'a:2', 'b:2', 'b:3', '<1'], ['a', 'c0']],
    ['a task followed an undo', ['a:0', 'a:1', '<0', 'b:0', 'b:5'], ['b', 'c3']],
    ['that one was undone too', ['a:0', 'a:1', '<0', 'b:0', 'b:5', '<3'], null],
    ['chosen paths came back', ['a:0', 'a:1', '~0'], ['a', 'c0']],
    ['a restore of a restore', ['a:0', 'a:1', 'b:1', 'b:2', '<1', '<4'], ['a', 'c0']],
    ['what was restored is too old to be known', ['<9', 'a:0'], null],
  ])('%s', (_, steps, expected) => {
    expect(undoOf(...steps)).toEqual(expected)
  })

  test('always ends, and names a task whose start differs from a later tree of it', () => {
    const step = fc.oneof(
      fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3)).map(([task, tree]) => `${task}:${tree}`),
      fc.tuple(fc.constantFrom('<', '~'), fc.nat(12)).map(([kind, origin]) => `${kind}${origin}`),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const checkpoints = past(...steps)
        const found = findUndo(checkpoints)
        if (found === null) return
        const own = checkpoints.filter((checkpoint) => checkpoint.taskId === found.taskId)
        expect(own.at(-1)).toEqual(found.start)
        expect(own.some((checkpoint) => checkpoint.treeHash !== found.start.treeHash)).toBe(true)
      }),
    )
  })
})
