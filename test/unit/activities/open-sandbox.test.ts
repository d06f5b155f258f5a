import { expect, test } from 'vitest'
import { describeLoss } from '../../../src/activities/open-sandbox.ts'

const loss = { tree: 'a'.repeat(40), savedAt: new Date('2026-11-22T10:11:12.345Z') }

test('a loss names the checkpoint and every call whose changes are missing', () => {
  const calls = [
    { turn: 4, name: 'write', input: '{"file_path":"src/a.ts","content":"x"}' },
    { turn: 5, name: 'bash', input: JSON.stringify({ command: `npm run\n  ${'x'.repeat(100)}` }) },
  ]
  expect([describeLoss(loss, calls), describeLoss(loss, [])].map((text) => text.split(' What checkpoints')[0])).toEqual(
    [
      `The sandbox was lost; a new one has the files of the checkpoint aaaaaaaaaaaa, saved 2026-11-22 10:11:12 UTC. Missing is what these calls changed after it: turn 4: write src/a.ts; turn 5: bash npm run ${'x'.repeat(72)}….`,
      'The sandbox was lost; a new one has the files of the checkpoint aaaaaaaaaaaa, saved 2026-11-22 10:11:12 UTC. Nothing that was changed in tracked files is missing.',
    ],
  )
})
