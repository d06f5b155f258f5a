/** What belongs to a directory, and a change applied to it, with the machine's own git. */

import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { applyChange } from '../../../src/cli/here/apply-change.ts'
import { directoryEntries } from '../../../src/cli/here/directory-entries.ts'
import { listFiles } from '../../../src/cli/here/list-files.ts'

const root = mkdtempSync(join(tmpdir(), 'keelson-here-test-'))
let dir: string
let count = 0
beforeEach(() => {
  dir = join(root, `d${++count}`)
  mkdirSync(dir)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

const sh = (script: string, cwd = dir) => {
  const identity = {
    GIT_AUTHOR_NAME: 't',
    GIT_AUTHOR_EMAIL: 't@t',
    GIT_COMMITTER_NAME: 't',
    GIT_COMMITTER_EMAIL: 't@t',
  }
  return execFileSync('bash', ['-ec', script], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: root, ...identity },
  }).toString()
}
const names = async (at = dir) => (await listFiles(at)).map((name) => name.toString('latin1')).sort()

const FILES = `printf '1\\n2\\n3\\n4\\n5\\n' > n.txt; mkdir -p sub node_modules/d; echo s > sub/s.txt; echo d > node_modules/d/i.js
  echo '*.log' > .gitignore; echo l > a.log; ln -s n.txt link; printf x > "$(printf 'caf\\351')"`

test('what git tracks or would not ignore belongs to it, in a repository, in a part of one, and where there is none', async () => {
  sh(`git init -q; ${FILES}; echo node_modules >> .gitignore; git add n.txt; git add -f a.log; echo new > new.txt`)
  const repository = await names()
  const part = await names(join(dir, 'sub'))
  const ignored = await names(join(dir, 'node_modules'))
  const bare = join(root, 'bare')
  mkdirSync(bare)
  sh(FILES, bare)
  expect({ repository, part, ignored, bare: await names(bare), untouched: readdirSync(bare).includes('.git') }).toEqual(
    {
      repository: ['.gitignore', 'a.log', 'caf\xe9', 'link', 'n.txt', 'new.txt', 'sub/s.txt'],
      part: ['s.txt'],
      ignored: ['d/i.js'],
      bare: ['.gitignore', 'caf\xe9', 'link', 'n.txt', 'sub/s.txt'],
      untouched: false,
    },
  )
})

test('files and links are read with their modes; what is gone, a repository inside and our own data are left out', async () => {
  sh(`git init -q; ${FILES}; chmod 755 n.txt; git add n.txt sub; rm sub/s.txt; mkdir -p .keelson inner; echo secret > .keelson/token
    git init -q inner; echo x > inner/x; git -C inner add x; git -C inner commit -qm x`)
  const seen: string[] = []
  for await (const entry of directoryEntries(dir, await listFiles(dir), join(dir, '.keelson'))) {
    const path = Buffer.from(entry.path).toString('latin1')
    if (entry.kind === 'file') {
      const pieces: Buffer[] = []
      for await (const piece of entry.data) pieces.push(Buffer.from(piece))
      seen.push(`${path} ${entry.mode.toString(8)} ${Buffer.concat(pieces).length}`)
    } else if (entry.kind === 'symlink') seen.push(`${path} -> ${Buffer.from(entry.target).toString()}`)
  }
  expect(seen.filter((line) => !line.startsWith('node_modules')).sort()).toEqual([
    '.gitignore 644 6',
    'caf\xe9 644 1',
    'link -> n.txt',
    'n.txt 755 10',
  ])
})

test('what git cannot tell is no reason to send everything, nor is a home directory, and no link leads out', async () => {
  const refusal = async (at: string, home?: string) =>
    await listFiles(at, home).then(
      () => 'listed',
      (error: unknown) => (error instanceof Error ? error.message.replaceAll(root, 'ROOT') : String(error)),
    )
  sh(`git init -q; ${FILES}; echo '.env' >> .gitignore; echo secret > .env; git add -A; git commit -qm first`)
  const worktree = join(root, 'tree')
  sh(`git worktree add -q ${worktree}; echo new > ${worktree}/new.txt; echo secret > ${worktree}/.env`)
  const inWorktree = await names(worktree)
  sh('mkdir bare.git; git init -q --bare bare.git')
  const bare = await refusal(join(dir, 'bare.git'))
  sh('rm -rf sub; ln -s /etc sub; git ls-files -z --error-unmatch sub/s.txt > /dev/null; cp sub/hostname /dev/null')
  const sent: string[] = []
  const outside = [...(await listFiles(dir)), Buffer.from('sub/hostname'), Buffer.from('sub/ssl/openssl.cnf')]
  for await (const { path } of directoryEntries(dir, outside, join(dir, '.keelson'))) {
    sent.push(Buffer.from(path).toString('latin1'))
  }
  sh('printf broken > .git/index')
  const broken = await refusal(dir)
  const home = join(root, 'home', 'me')
  mkdirSync(home, { recursive: true })
  expect({
    inWorktree,
    bare,
    sent: sent.filter((path) => path.startsWith('sub')),
    broken: /^git cannot say what belongs to ROOT\S*: .*index/.test(broken),
    home: [await refusal(home, home), await refusal(join(root, 'home'), home), await refusal(home, join(home, 'me'))],
  }).toEqual({
    inWorktree: ['.gitignore', 'caf\xe9', 'link', 'n.txt', 'new.txt', 'node_modules/d/i.js', 'sub/s.txt'],
    bare: expect.stringMatching(
      /^git cannot say what belongs to ROOT\S*: fatal: this operation must be run in a work tree/,
    ),
    sent: ['sub'],
    broken: true,
    home: Array.from({ length: 3 }, () =>
      expect.stringMatching(
        / holds a whole home directory and is no repository: start in a project's own directory\.$/,
      ),
    ),
  })
})

/** A mailbox of what `change` does to a copy of the directory. */
function mailOf(change: string, crlf = false): Buffer {
  const copy = join(root, `copy${count}`)
  rmSync(copy, { recursive: true, force: true })
  sh(
    `rm -rf ${copy}; cp -r ${dir} ${copy}; cd ${copy}; rm -rf .git; git init -q; git add -A -f; git commit -qm base; ${change}; git add -A -f; git commit -qm change`,
  )
  const patch = execFileSync('git', ['format-patch', '-1', '--stdout', '--binary', '--full-index'], { cwd: copy })
  if (!crlf) return patch
  const [head = '', ...rest] = patch.toString('latin1').split('\n\n')
  const body = Buffer.from(rest.join('\n\n'), 'latin1').toString('base64').replace(/.{76}/g, '$&\n')
  return Buffer.from(
    `${head}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: base64\n\n${body}\n`,
  )
}

test('a change is applied over what nobody committed, and nothing but its files is touched, the index neither', async () => {
  sh(
    `git init -q; ${FILES}; git add -A; git commit -qm first; echo uncommitted >> n.txt; echo staged > st.txt; git add st.txt`,
  )
  const mail = mailOf(
    `sed -i s/^3$/three/ n.txt; git rm -q sub/s.txt; printf 'a\\r\\n' > crlf; chmod 755 st.txt; rm link; ln -s st.txt link`,
    true,
  )
  const before = lstatSync(join(dir, '.gitignore')).mtimeMs
  const applied = await applyChange(dir, mail)
  expect({
    applied,
    n: readFileSync(join(dir, 'n.txt'), 'utf8'),
    crlf: readFileSync(join(dir, 'crlf'), 'utf8'),
    status: sh('git status --porcelain'),
    untouched: lstatSync(join(dir, '.gitignore')).mtimeMs === before,
  }).toEqual({
    applied: { status: 'applied' },
    n: '1\n2\nthree\n4\n5\nuncommitted\n',
    crlf: 'a\r\n',
    status: ' M link\n M n.txt\nAM st.txt\n D sub/s.txt\n?? crlf\n',
    untouched: true,
  })
})

test('files that moved on are merged, with marks where both changed a line; what cannot be applied leaves all as it is', async () => {
  sh(`git init -q; ${FILES}; git add -A -f; git commit -qm first`)
  const mail = mailOf('sed -i s/^2$/two/ n.txt')
  sh('sed -i s/^2$/TWO/ n.txt; git commit -qam mine')
  const conflicts = await applyChange(dir, mail)
  const marks = readFileSync(join(dir, 'n.txt'), 'utf8').includes('=======')
  sh('git checkout -q -f HEAD; echo other > n.txt')
  const refused = await applyChange(dir, mail)
  const kept = readFileSync(join(dir, 'n.txt'), 'utf8')
  if (refused.status === 'refused') rmSync(join(refused.patchFile, '..'), { recursive: true })
  const plain = join(root, 'plain')
  mkdirSync(plain)
  writeFileSync(join(plain, 'n.txt'), '1\n2\n3\n4\n5\n')
  expect({ conflicts, marks, refused: refused.status, kept, plain: await applyChange(plain, mail) }).toEqual({
    conflicts: { status: 'conflicts', paths: ['n.txt'] },
    marks: true,
    refused: 'refused',
    kept: 'other\n',
    plain: { status: 'applied' },
  })
})

test('in a part of a repository paths are the part’s own', async () => {
  sh(`git init -q; mkdir part; cd part; ${FILES}; git add -A; git commit -qm first`)
  const whole = dir
  dir = join(whole, 'part')
  const mail = mailOf('sed -i s/^2$/two/ n.txt; echo new > new.txt')
  const applied = await applyChange(dir, mail)
  expect({ applied, status: sh('git status --porcelain', whole) }).toEqual({
    applied: { status: 'applied' },
    status: ' M part/n.txt\n?? part/new.txt\n',
  })
})
