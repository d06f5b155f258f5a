import { expect, test } from 'vitest'
import type { CodingTaskInput } from '../../../src/shared/task.ts'
import { initialState, toCarried, toDetails, toTaskState } from '../../../src/workflows/state.ts'

const input: CodingTaskInput = {
  taskId: 'tsk_1',
  projectId: 'prj_1',
  maxFixRounds: 2,
  reviewEnabled: true,
  forceRegenerateContext: false,
  budgetWaitHours: 168,
  continueAsNewAfterEvents: 2_000,
}

test('a first run starts with nothing done', () => {
  const state = initialState(input, 1_000)
  expect(toTaskState(state)).toEqual({
    phase: 'preparing',
    turn: 0,
    round: 0,
    startedAt: 1_000,
    usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    pendingMessages: 0,
  })
  expect(state.review).toEqual({
    status: 'not_started',
    round: 0,
    fixRounds: 0,
    maxFixRounds: 2,
    findings: { open: 0, resolved: 0 },
    history: [],
  })
})

test('what is carried over is all that the next run knows, the start of the first included', () => {
  const state = initialState(input, 1_000)
  Object.assign(state, { phase: 'fixing', turn: 7, round: 2, fixRounds: 1, wakes: 3, regenerateRequested: true })
  const next = initialState({ ...input, carried: toCarried(state) }, 9_000)
  expect(next).toEqual({ ...state, wakes: 0 })
})

test('the details show phase, turn, review and tokens, and no review before there is one', () => {
  const state = initialState(input, 1_000)
  expect(toDetails(state)).toBe('- phase: **preparing**\n- turn: 0\n- tokens: 0 in, 0 out')
  const usage = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 30, cacheWriteTokens: 400 }
  const review = { ...state.review, status: 'reviewing' as const, round: 1 }
  expect(toDetails({ ...state, phase: 'reviewing', turn: 4, usage, review })).toBe(
    '- phase: **reviewing**\n- turn: 4\n- review: **reviewing**, round 1\n- tokens: 431 in, 2 out',
  )
})
