import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { refusedBranch, slugOf } from '../../../src/publish/branch-name.ts'

const NAMES = (
  'a a/b a.b a-b ä/ö @x x@ a@b a{b +x #1 a/b/c.d lock a.lockx -a a..b a@{b a//b /a a/ a. .a a/.b x.lock a/x.lock/b ' +
  'a~ a^ a: a? a* a[ a\\ @ HEAD refs/heads/x'
).split(' ')

test('a name that git refuses is refused, and besides only what git keeps for itself or takes for something else', () => {
  const ofGit = (name: string): boolean => {
    try {
      execFileSync('git', ['check-ref-format', '--branch', name], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }
  const differ = [...NAMES, 'a b', 'a\tb', 'a\u007fb'].filter((name) => ofGit(name) !== (refusedBranch(name) === null))
  expect(differ).toEqual(['@', 'HEAD', 'refs/heads/x'].filter((name) => ofGit(name)))
})

test('what looks like a commit, has no letters or is too long is refused in words', () => {
  expect(
    ['', 'a'.repeat(40), 'x'.repeat(241), 'ü'.repeat(120), 'ü'.repeat(121)].map((name) => refusedBranch(name) === null),
  ).toEqual([false, false, false, true, false])
})

test('a title becomes a short name of letters, digits and dashes, whatever it holds', () => {
  const titles = ['Fix the Bug!', '  Größe ändern: 3×  ', '日本語', '-'.repeat(50), `${'long '.repeat(20)}`, 'a/../b']
  expect(titles.map(slugOf)).toEqual([
    'fix-the-bug',
    'grosse-andern-3',
    'work',
    'work',
    'long-long-long-long-long-long-long-long',
    'a-b',
  ])
})
