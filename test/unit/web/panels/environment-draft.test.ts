import { expect, test } from 'vitest'
import { NO_POLICY } from '../../../../src/shared/approval-policy.ts'
import type { ProjectEnvironment } from '../../../../src/web/api/types.ts'
import { environmentDraftOf, readDraft } from '../../../../src/web/panels/environment/environment-draft.ts'
import { faultTexts } from '../../../../src/web/panels/environment/fault-text.ts'

const ENVIRONMENT: ProjectEnvironment = {
  version: 3,
  network: { policy: 'hosts', hosts: ['a.example', '*.b.example'] },
  setup: {
    enabled: true,
    commands: [
      { name: 'npm ci', command: 'npm ci', source: 'detected' },
      { name: 'codegen', command: 'cd tools\nmake', cwd: 'web', source: 'custom' },
    ],
  },
  variables: [{ name: 'A', value: '1=2' }],
  services: [{ name: 'dev', command: 'npm start', port: 3000 }],
  status: { state: 'ready' },
  registries: [],
  toolchains: [],
  leftOut: [],
  workspace: 'read',
}

test('what was not typed anew is saved as it was, directory and lines included', () => {
  expect(readDraft(environmentDraftOf(ENVIRONMENT), ENVIRONMENT)).toEqual({
    network: ENVIRONMENT.network,
    setup: { enabled: true, commands: [{ name: 'codegen', command: 'cd tools\nmake', cwd: 'web' }] },
    variables: ENVIRONMENT.variables,
    services: ENVIRONMENT.services,
    approvals: { ...NO_POLICY, publishing: false },
  })
})

test('lines become commands and variables', () => {
  const draft = {
    ...environmentDraftOf(ENVIRONMENT),
    commands: 'npm ci: npm ci --omit=dev\n\nmake\n',
    variables: ' B = 2\nC',
  }
  const { setup, variables } = readDraft(draft, ENVIRONMENT)
  expect([setup.commands, variables]).toEqual([
    [
      { name: 'npm ci', command: 'npm ci --omit=dev' },
      { name: 'make', command: 'make' },
    ],
    [
      { name: 'B', value: ' 2' },
      { name: 'C', value: '' },
    ],
  ])
})

test('patterns are lines, decisions that were remembered stay, and what is wrong is told by its line', () => {
  const remembered = [
    { kind: 'command', subject: 'npm publish', decision: 'deny', at: '2026-01-01T00:00:00Z' },
  ] as const
  const before = { ...ENVIRONMENT, approvals: { ...NO_POLICY, remembered } }
  const draft = environmentDraftOf(before)
  const typed = { ...draft.approvals, publishing: true, paths: '.github/\n\n ** \n', expiresInHours: '1,5' }
  const body = readDraft({ ...draft, approvals: typed }, before)
  expect({
    approvals: body.approvals,
    faults: faultTexts(
      { 'approvals.paths[1]': 'would hold back everything', 'variables[0].name': 'is set twice', message: 'no' },
      body,
    ),
  }).toEqual({
    approvals: { ...NO_POLICY, remembered, publishing: true, paths: ['.github/', '**'], expiresInHours: 1.5 },
    faults: [
      'Paths that wait for a person, line 2 (“**”): would hold back everything',
      'Variables, line 1 (“A”): is set twice',
      'message: no',
    ],
  })
})
