import { expect, test } from 'vitest'
import {
  addUsage,
  isOver,
  NO_USAGE,
  refreshWorkflowIdFor,
  type TaskStatus,
  workflowIdFor,
} from '../../../src/shared/task.ts'

test('a task is over once it is completed, failed or cancelled', () => {
  const statuses: TaskStatus[] = [
    'accepted',
    'running',
    'cancelling',
    'needs_budget',
    'completed',
    'failed',
    'cancelled',
  ]
  expect(statuses.filter(isOver)).toEqual(['completed', 'failed', 'cancelled'])
})

test('usage is added field by field', () => {
  const a = { inputTokens: 1, outputTokens: 2, cacheReadTokens: 3, cacheWriteTokens: 4 }
  const b = { inputTokens: 10, outputTokens: 20, cacheReadTokens: 30, cacheWriteTokens: 40 }
  expect([addUsage(a, b), addUsage(a, NO_USAGE)]).toEqual([
    { inputTokens: 11, outputTokens: 22, cacheReadTokens: 33, cacheWriteTokens: 44 },
    a,
  ])
})

test('workflow ids are those that the contract names', () => {
  expect([workflowIdFor('tsk_1'), refreshWorkflowIdFor('prj_1')]).toEqual([
    'coding-task/tsk_1',
    'refresh-project-context/prj_1',
  ])
})
