import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type IndexOptions, type IndexReading, readGitIndex } from '../../../src/sandbox/git-index.ts'

let repository: string

beforeEach(() => {
  repository = mkdtempSync(join(tmpdir(), 'keelson-index-'))
})

afterEach(() => {
  rmSync(repository, { recursive: true, force: true })
})

function git(...args: string[]): string {
  const env = { PATH: process.env['PATH'], HOME: repository, GIT_CONFIG_NOSYSTEM: '1' }
  const own = ['-c', 'user.name=n', '-c', 'user.email=e@example.invalid']
  return execFileSync('git', [...own, ...args], { cwd: repository, env, encoding: 'latin1' })
}

function put(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(repository, path)), { recursive: true })
    writeFileSync(join(repository, path), `content of ${path}`)
  }
}

function read(options: Partial<IndexOptions> = {}): IndexReading {
  const inGit = (name: string): Buffer => readFileSync(join(repository, '.git', name))
  return readGitIndex(inGit('index'), { isWanted: () => true, maxWanted: 100_000, readBeside: inGit, ...options })
}

/** What git itself says, in the order of the bytes. */
function tracked(): string[] {
  return git('ls-files', '-z').split('\0').filter(Boolean).sort()
}

function names(reading: IndexReading): string[] {
  if (!reading.ok) throw new Error(`refused: it ${reading.reason}`)
  return [...reading.names].sort()
}

const LONG = `${'a-long-name-'.repeat(18)}/${'b'.repeat(200)}`
const PATHS = ['a.txt', 'src/b.ts', 'src/deep/c d.ts', 'dist/caf\xc3\xa9.js', `${LONG}/x`, `${LONG}/${'y'.repeat(250)}`]
/** Of 4,094 bytes and a slash: with one more it is what the header of an entry cannot say any more. */
const VERY_LONG = `${'p'.repeat(200)}/`.repeat(20) + `${'q'.repeat(73)}/`

describe('an index is read as git reads it', () => {
  for (const hash of ['sha1', 'sha256'] as const) {
    for (const version of [2, 3, 4]) {
      test(`${hash}, version ${version}, with names of any length`, () => {
        git('init', '-q', `--object-format=${hash}`)
        put(...PATHS.map((path) => Buffer.from(path, 'latin1').toString()))
        git('add', '-A')
        const blob = git('hash-object', '-w', 'a.txt').trim()
        for (const name of ['x', 'yy'])
          git('update-index', '--add', '--cacheinfo', `100644,${blob},${VERY_LONG}${name}`)
        // An entry that git means to add has flags that version 2 has no room for.
        put('later.txt')
        if (version !== 2) git('add', '-N', 'later.txt')
        git('update-index', `--index-version=${version}`)
        expect(names(read())).toEqual(tracked())
      })
    }
  }

  test('a split index: its base, without what was deleted since, with what was changed and added', () => {
    git('init', '-q')
    put(...Array.from({ length: 300 }, (_, at) => `f/${at}.txt`))
    git('add', '-A')
    git('commit', '-qm', 'first')
    git('update-index', '--split-index')
    git('rm', '-q', '--cached', 'f/0.txt', 'f/77.txt', 'f/130.txt', 'f/299.txt')
    writeFileSync(join(repository, 'f/5.txt'), 'another content')
    put('g/new.txt')
    git('-c', 'splitIndex.maxPercentChange=100', 'add', 'f/5.txt', 'g')
    expect(readFileSync(join(repository, '.git/index')).includes('link')).toBe(true)
    expect(names(read())).toEqual(tracked())
  })

  test('a split index of a SHA-256 repository in version 4', () => {
    git('init', '-q', '--object-format=sha256')
    put('f/a', 'f/b', 'f/c')
    git('add', '-A')
    git('update-index', '--index-version=4', '--split-index')
    git('-c', 'splitIndex.maxPercentChange=100', 'rm', '-q', '--cached', 'f/b')
    expect(names(read())).toEqual(['f/a', 'f/c'])
  })

  test('a sparse index names the directories that are not there, with a slash at the end', () => {
    git('init', '-q')
    put('in/a', 'out/b', 'out/deep/c', 'top')
    git('add', '-A')
    git('commit', '-qm', 'first')
    git('sparse-checkout', 'set', '--cone', '--sparse-index', 'in')
    expect(names(read())).toEqual(['in/a', 'out/', 'top'])
  })

  test('what else git keeps in it is passed over: untracked cache, cached trees, offsets, conflicts', () => {
    git('init', '-q', '-b', 'main')
    put('a', 'd/b')
    git('add', '-A')
    git('commit', '-qm', 'first')
    git('checkout', '-qb', 'side')
    writeFileSync(join(repository, 'a'), 'side')
    git('commit', '-qam', 'side')
    git('checkout', '-q', 'main')
    writeFileSync(join(repository, 'a'), 'main')
    git('commit', '-qam', 'main')
    expect(() => git('merge', '-q', 'side')).toThrow('Command failed')
    git('-c', 'core.untrackedCache=true', 'status')
    git('-c', 'index.threads=4', 'update-index', '--untracked-cache', '--force-write-index')
    expect(readFileSync(join(repository, '.git/index')).includes('UNTR')).toBe(true)
    expect(new Set(names(read()))).toEqual(new Set(['a', 'd/b']))
  })

  test('an index without a checksum, as large repositories have, and an empty one', () => {
    git('init', '-q')
    git('update-index', '--force-write-index')
    expect(names(read())).toEqual([])
    put('a')
    git('add', 'a')
    const data = Buffer.concat([readFileSync(join(repository, '.git/index')).subarray(0, -20), Buffer.alloc(20)])
    expect(readGitIndex(data, { isWanted: () => true, maxWanted: 9, readBeside: () => null })).toEqual({
      ok: true,
      names: ['a'],
    })
  })
})

describe('an index that cannot be read is refused with a reason', () => {
  beforeEach(() => {
    git('init', '-q')
    put('a', 'b', 'c')
    git('add', '-A')
  })

  const reason = (data: Buffer, options: Partial<IndexOptions> = {}): string => {
    const reading = readGitIndex(data, { isWanted: () => true, maxWanted: 9, readBeside: () => null, ...options })
    return reading.ok ? `read: ${reading.names.join(' ')}` : reading.reason
  }

  test('another file, another version, one that is cut off anywhere', () => {
    const data = readFileSync(join(repository, '.git/index'))
    const other = Buffer.from(data)
    other.writeUInt32BE(5, 4)
    expect([reason(Buffer.from('#!/bin/sh\nexit 0\n')), reason(Buffer.alloc(0)), reason(other)]).toEqual([
      'is none of git’s',
      'is none of git’s',
      'has version 5, and only 2 to 4 are known',
    ])
    const cuts = new Set(Array.from({ length: data.length - 12 }, (_, at) => reason(data.subarray(0, 12 + at))))
    expect([...cuts]).toEqual(['is cut off or has another form than git’s'])
  })

  test('an extension that changes what the entries mean and is not known', () => {
    const data = readFileSync(join(repository, '.git/index'))
    const foreign = Buffer.concat([
      data.subarray(0, -20),
      Buffer.from('newx\0\0\0\x02ab', 'latin1'),
      data.subarray(-20),
    ])
    const optional = Buffer.concat([
      data.subarray(0, -20),
      Buffer.from('NEWX\0\0\0\x02ab', 'latin1'),
      data.subarray(-20),
    ])
    expect([reason(foreign), reason(optional)]).toEqual([
      'needs an extension that is not known here ("newx")',
      'read: a b c',
    ])
  })

  test('a split one without the file that it builds on, or with another one there', () => {
    git('update-index', '--split-index')
    const data = readFileSync(join(repository, '.git/index'))
    expect([reason(data), reason(data, { readBeside: () => Buffer.from('DIRC, or so it says') })]).toEqual([
      'is split, and the file that it builds on is not there or too large',
      'is split, and the file that it builds on cannot be read',
    ])
  })

  test('more paths than a caller keeps, and a name that no file can have: names that repeat the one before cost nothing to write', () => {
    const data = readFileSync(join(repository, '.git/index'))
    expect(reason(data, { maxWanted: 2 })).toBe('names more than 2 paths that matter here')
    git('update-index', '--index-version=4')
    const small = readFileSync(join(repository, '.git/index'))
    const entry = Buffer.from(small.subarray(12, 74))
    const first = Buffer.concat([entry, Buffer.from([0]), Buffer.alloc(1_000_000, 'x'), Buffer.from([0])])
    const more = Buffer.concat(Array.from({ length: 100_000 }, () => Buffer.concat([entry, Buffer.from('\0y\0')])))
    const header = Buffer.from(small.subarray(0, 12))
    header.writeUInt32BE(100_001, 8)
    const all = Buffer.concat([header, first, more, Buffer.alloc(20)])
    expect(reason(all)).toBe('names a path of more than 4096 bytes')
  })

  test('a bitmap that says it is longer than its file', () => {
    git('update-index', '--split-index')
    git('-c', 'splitIndex.maxPercentChange=100', 'rm', '-q', '--cached', 'b')
    const data = readFileSync(join(repository, '.git/index'))
    const at = data.indexOf('link') + 8 + 20
    const beside = (name: string): Buffer => readFileSync(join(repository, '.git', name))
    const longer = Buffer.from(data)
    longer.writeUInt32BE(0xffff_ffff, at)
    const wider = Buffer.from(data)
    wider.writeUInt32BE(0xffff_ffff, at + 4)
    expect([data, longer, wider].map((each) => reason(each, { readBeside: beside }))).toEqual([
      'read: a c',
      'is cut off or has another form than git’s',
      'is cut off or has another form than git’s',
    ])
    appendFileSync(join(repository, '.git/index'), 'x')
    expect(reason(readFileSync(join(repository, '.git/index')), { readBeside: beside })).toMatch(/another form/)
  })
})
