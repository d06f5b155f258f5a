import { expect, test } from 'vitest'
import { planCommit } from '../../../src/publish/plan-commit.ts'
import { AppError } from '../../../src/shared/errors.ts'

const ask = { branch: 'keelson/x', isNamed: false, last: null, checkedOut: 'base', cloned: 'main' }
const refs = (tips: Record<string, string>) => ({ head: 'main', tips: new Map(Object.entries(tips)), isHere: false })
const planned = (tips: Record<string, string>, more: Partial<Parameters<typeof planCommit>[1]> = {}) => {
  try {
    return planCommit(refs(tips), { ...ask, ...more })
  } catch (error) {
    if (error instanceof AppError) return error.code
    throw error
  }
}

test('a commit goes on what the branch holds of this project, or on what was checked out, and on nothing else', () => {
  expect([
    planned({ main: 'newer' }),
    planned({ main: 'base' }, { branch: 'main', isNamed: true }),
    planned({ 'keelson/x': 'ours' }, { last: { commit: 'ours', base: 'base' } }),
    planned({ 'keelson/x': 'ours' }, { last: { commit: 'ours', base: 'older' } }),
    planned({ 'keelson/x': 'theirs' }, { last: { commit: 'ours', base: 'base' } }),
    planned({ main: 'newer' }, { branch: 'main', isNamed: true }),
    planned({ topic: 'other' }, { branch: 'topic', isNamed: true }),
    planned({ 'keelson/x': 'other' }),
    planned({ keelson: 'other' }),
    planned({ keelson: 'other' }, { isNamed: true }),
    planned({ 'a/b': 'other' }, { branch: 'a', isNamed: true }),
    planned({}, { checkedOut: null }),
  ]).toEqual([
    { parent: 'base', merged: null, isNewBranch: true },
    { parent: 'base', merged: null, isNewBranch: false },
    { parent: 'ours', merged: null, isNewBranch: false },
    { parent: 'ours', merged: 'base', isNewBranch: false },
    'branch_moved',
    'branch_moved',
    'branch_taken',
    null,
    null,
    'branch_taken',
    'branch_taken',
    { parent: null, merged: null, isNewBranch: true },
  ])
})
