import { describe, expect, test } from 'vitest'
import type { ToldOpening } from '../../../src/db/turn/memory.ts'
import { contextBlock, factsBlock } from '../../../src/memory/memory-text.ts'
import { openingOf, openingText } from '../../../src/memory/opening.ts'

const context = contextBlock('a project')
const changed = contextBlock('a project with one file more')
const fact = factsBlock([{ id: 'fct_1', text: 'tabs', createdAt: '2026-01-01T00:00:00Z' }]) ?? ''
const summaries = '# Earlier tasks of this conversation\n\n## Task 1'
const told = (taskId: string, blocks: string[], more: Partial<ToldOpening> = {}): ToldOpening => ({
  ...{ taskId, blocks, factsVersion: 1, isContextRenewed: false },
  ...more,
})
const NONE = { context: null, facts: null, summaries: null }

describe('the first message of a task opens with what the conversation was not told yet', () => {
  test('all of it at first, nothing when nothing changed', () => {
    const known = { context, facts: fact, summaries }
    expect(openingOf(known, { whole: [], told: [], factsVersion: 1 })).toEqual([context, fact, summaries])
    const before = [told('t1', [context, fact, summaries]), told('t2', [])]
    expect(openingOf(known, { whole: ['t1', 't2'], told: before, factsVersion: 1 })).toEqual([])
  })

  test('the context alone when it changed', () => {
    const at = { whole: ['t1'], told: [told('t1', [context, fact])], factsVersion: 1 }
    expect(openingOf({ ...NONE, context: changed, facts: fact }, at)).toEqual([changed])
  })

  test('what was told by a task that is no longer told whole', () => {
    const at = { whole: ['t2'], told: [told('t1', [context]), told('t2', [])], factsVersion: 1 }
    expect(openingOf({ ...NONE, context }, at)).toEqual([context])
  })

  test('the context again after a task was told of another one while it ran', () => {
    const at = { whole: ['t1', 't2'], told: [told('t1', [context]), told('t2', [], { isContextRenewed: true })] }
    expect(openingOf({ ...NONE, context }, { ...at, factsVersion: 1 })).toEqual([context])
    const again = [...at.told, told('t3', [context])]
    expect(openingOf({ ...NONE, context }, { whole: ['t1', 't2', 't3'], told: again, factsVersion: 1 })).toEqual([])
  })

  test('facts again when they were changed and changed back, and that there are none any more, once', () => {
    const at = { whole: ['t1'], told: [told('t1', [fact])] }
    expect(openingOf({ ...NONE, facts: fact }, { ...at, factsVersion: 3 })).toEqual([fact])
    const gone = openingOf(NONE, { ...at, factsVersion: 2 })
    expect(gone).toEqual(['# What the user asked to remember\n\nNothing any more.\n'])
    const since = [...at.told, told('t2', gone, { factsVersion: 2 })]
    expect(openingOf(NONE, { whole: ['t1', 't2'], told: since, factsVersion: 2 })).toEqual([])
  })

  test('as one notice of the harness', () => {
    expect(openingText([])).toBeNull()
    expect(openingText([context, fact])).toMatch(/^Notice: [^\n]+\n\n# The project\n\na project\n\n# What the user/)
  })
})
