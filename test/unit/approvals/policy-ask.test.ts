import { expect, test } from 'vitest'
import { policyAsk } from '../../../src/approvals/policy-ask.ts'
import { NO_POLICY } from '../../../src/shared/approval-policy.ts'

test('a path that only looks like a held one is held as well, since the file tools take it for that one', () => {
  const asked = (file_path: string) =>
    policyAsk(
      { ...NO_POLICY, paths: ['deploy/**', 'caf\u00e9.md'] },
      { toolName: 'write', isReadOnly: false, input: { file_path, content: '' }, root: '/workspace' },
      1_000,
    )?.detail.pattern ?? null
  expect(
    ['deploy/x', 'dep\u200bloy/x', '/workspace/dep\u202eloy/x', 'cafe\u0301.md', 'Deploy/x', 'src/x'].map(asked),
  ).toEqual(['deploy/**', 'deploy/**', 'deploy/**', 'caf\u00e9.md', null, null])
})
