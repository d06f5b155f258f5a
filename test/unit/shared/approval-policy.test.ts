import { describe, expect, test } from 'vitest'
import {
  commandPatternFault,
  heldCommand,
  heldHost,
  heldPath,
  hostPatternFault,
  NO_POLICY,
  pathPatternFault,
  rememberedFor,
} from '../../../src/shared/approval-policy.ts'

const ALL = 'would hold back everything: name what it is about'
const BRACKET = 'has a bracket without its pair; patterns are plain text with * for anything'

describe('patterns that cannot be taken', () => {
  test.each([
    ['', 'must not be empty'],
    ['  ', 'must not be empty'],
    ['*', ALL],
    ['* *', ALL],
    ['.*', ALL],
    ['a*', ALL],
    ['git push (', BRACKET],
    ['[a', BRACKET],
    ['a\nb', 'must be one line of well-formed text'],
    ['npm \0publish', 'must be one line of well-formed text'],
    ['x'.repeat(201), 'must have at most 200 characters'],
    ['npm publish', null],
    ['terraform * prod', null],
  ])('of commands: %j', (pattern, fault) => expect(commandPatternFault(pattern)).toBe(fault))

  test.each([
    ['**', ALL],
    ['/', ALL],
    ['**/*', ALL],
    ['*.*', ALL],
    ['./a', 'must not hold . or .. as a directory'],
    ['../a', 'must not hold . or .. as a directory'],
    ['a\\b', 'must have / between directories, not \\'],
    ['~/x', 'must lie in the workspace'],
    ['pages/[id', BRACKET],
    ['.github/', null],
    ['pages/[id]/*.ts', null],
  ])('of paths: %j', (pattern, fault) => expect(pathPatternFault(pattern)).toBe(fault))

  test.each([
    ['*', ALL],
    ['*.*', ALL],
    ['*.com', 'must not stand for a whole top-level domain'],
    ['https://a.com', 'must be a host name alone, without scheme, port or path'],
    ['*.example.com', null],
  ])('of hosts: %j', (pattern, fault) => expect(hostPatternFault(pattern)).toBe(fault))
})

describe('what they hold back', () => {
  test.each([
    ['npm publish', 'npm publish', true],
    ['npm publish', 'cd pkg && npm  publish --tag next', true],
    ['npm publish', 'npm \\\n publish', true],
    ['npm publish', 'npm published', false],
    ['npm publish', 'xnpm publish', false],
    ['npm publish', '/usr/bin/npm publish;', true],
    ['npm publish', 'echo $(npm publish)', true],
    ['terraform * prod', 'terraform -chdir=x apply prod', true],
    ['terraform * prod', 'terraform apply production', false],
    ['git push*', 'git push-all', true],
    ['*.sh', 'bash run.sh', true],
    ['a*a*a*a*a*b', 'a'.repeat(20_000), false],
  ])('%j and the command %j', (pattern, command, isHeld) => {
    expect(heldCommand(command, ['nothing here', pattern])).toBe(isHeld ? pattern : null)
  })

  test.each([
    ['.github/', '.github/workflows/ci.yml', true],
    ['.github/', 'packages/a/.github/x', true],
    ['.github/', '.github', false],
    ['/.github/', 'packages/.github/x', false],
    ['package-lock.json', 'packages/a/package-lock.json', true],
    ['*.lock', 'yarn.lock', true],
    ['*.lock', 'yarn.lock.md', false],
    ['prisma/migrations/**', 'prisma/migrations/1/migration.sql', true],
    ['prisma/migrations', 'prisma/migrations/1/migration.sql', true],
    ['prisma/migrations', 'x/prisma/migrations/1.sql', false],
    ['a/**/b', 'a/b', true],
    ['a/**/b', 'a/x/y/b', true],
    [`${'**/'.repeat(60)}b`, `${'a/'.repeat(60)}c`, false],
  ])('%j and the path %j', (pattern, path, isHeld) => {
    expect(heldPath(path, [pattern])).toBe(isHeld ? pattern : null)
  })

  test('hosts as the network policy writes them', () => {
    expect(heldHost('api.example.com', ['a.com', '*.example.com'])).toBe('*.example.com')
    expect(heldHost('example.com', ['*.example.com'])).toBe(null)
  })

  test('of what is remembered the latest word counts', () => {
    const entry = { kind: 'command', subject: 'npm publish', at: '2026-01-01T00:00:00.000Z' } as const
    const policy = {
      ...NO_POLICY,
      remembered: [
        { ...entry, decision: 'deny' as const },
        { ...entry, decision: 'approve' as const },
      ],
    }
    expect(rememberedFor(policy, 'command', 'npm publish')).toBe('approve')
    expect(rememberedFor(policy, 'path', 'npm publish')).toBe(null)
  })
})
