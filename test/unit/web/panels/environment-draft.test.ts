import { expect, test } from 'vitest'
import type { ProjectEnvironment } from '../../../../src/web/api/types.ts'
import { draftOf, readDraft } from '../../../../src/web/panels/environment/environment-draft.ts'

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
  expect(readDraft(draftOf(ENVIRONMENT), ENVIRONMENT)).toEqual({
    network: ENVIRONMENT.network,
    setup: { enabled: true, commands: [{ name: 'codegen', command: 'cd tools\nmake', cwd: 'web' }] },
    variables: ENVIRONMENT.variables,
    services: ENVIRONMENT.services,
  })
})

test('lines become commands and variables', () => {
  const draft = { ...draftOf(ENVIRONMENT), commands: 'npm ci: npm ci --omit=dev\n\nmake\n', variables: ' B = 2\nC' }
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
