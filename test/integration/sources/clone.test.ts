/** Repositories from a real git host behind TLS, cloned by git in the real sandbox through the real proxy. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { FillReport, GitSource } from '../../../src/sandbox/fill.ts'
import type { Limits } from '../../../src/sandbox/local-bwrap/limits.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { cloneRepository } from '../../../src/sources/clone-repository.ts'
import { HOST_REFUSED } from '../../../src/sources/git-host.ts'
import type { GitCredential, GitSettings } from '../../../src/sources/run-git.ts'
import { run } from '../../contract/sandbox/harness.ts'
import { aGitHost, aSilentHost, type GitHostFixture } from '../../support/git-host.ts'

const silent = { info: () => undefined, warn: () => undefined }
let dir: string
let host: GitHostFixture
let generation = 0
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keelson-clone-'))
  host = await aGitHost()
  host.repository(
    'plain',
    `for i in $(seq 1 60); do echo $i > n.txt; git add n.txt; git commit -qm "c$i"; done
     ln -s n.txt link; ln -s nowhere dangling; printf '#!/bin/sh\\n' > run.sh; chmod +x run.sh; : > empty
     printf latin > "$(printf 'caf\\351.txt')"; git add -A; git commit -qm last; git tag v2
     git checkout -q -b side; echo side > side.txt; git add -A; git commit -qm side; git tag on-side; git checkout -q main`,
  )
  host.repository('empty', 'true')
  host.repository(
    'partial',
    `echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes
     printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 1\\n' 0 > a.bin
     git update-index --add --cacheinfo 160000,$(printf '1%.0s' $(seq 40)),sub
     printf '[submodule "sub"]\\n path = sub\\n url = https://example.invalid/s.git\\n' > .gitmodules
     git add .gitattributes .gitmodules a.bin; git -c core.hooksPath=/dev/null commit -qm x`,
  )
  host.repository(
    'bomb',
    'for i in 1 2 3 4 5; do head -c 40000000 /dev/zero > z$i; printf $i >> z$i; done; git add -A; git commit -qm bomb',
  )
})
afterAll(async () => {
  await host?.close()
  rmSync(dir, { recursive: true, force: true })
})

async function aSandbox(limits: Partial<Limits> = {}): Promise<Sandbox> {
  const provider = createSandboxProvider({
    kind: 'local-bwrap',
    dir: join(dir, 's'),
    logger: silent,
    limits,
    runnerIdleMs: 5_000,
  })
  return await provider.open(await provider.ensure({ projectId: 'prj_clone', generation: ++generation }))
}
const control = { check: () => undefined, onProgress: () => undefined }
const trusting = (): GitSettings => ({ origins: [host.origin], extraCaFile: host.caFile })
async function clone(
  sandbox: Sandbox,
  source: Omit<GitSource, 'kind'>,
  settings = trusting(),
  credential: GitCredential | null = null,
  onCredentialUsed = () => Promise.resolve(),
): Promise<FillReport> {
  return await cloneRepository(sandbox, { kind: 'git', ...source }, { settings, credential, onCredentialUsed, control })
}
const urlOf = (name: string) => `${host.origin}/${name}.git`
const sentence = async (work: Promise<unknown>) =>
  await work.then(
    () => 'no failure',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )

test('a clone has history to its depth, its tags, links, modes and byte names, a clean status and a clean remote', async () => {
  const sandbox = await aSandbox()
  const report = await clone(sandbox, { url: urlOf('plain') })
  const seen = await run(
    sandbox,
    `git status --porcelain --branch; git rev-list --count HEAD; git tag; git config remote.origin.url
     readlink link dangling; stat -c '%a %s %n' run.sh empty; ls caf* | od -An -c | tr -s ' '; git rev-parse HEAD
     env | grep -ci proxy; cat .git/config | grep -ci '127.0.0.1\\|sslcainfo'; ls -A /run`,
  )
  expect({ seen: seen.output, notes: report.notes }).toEqual({
    seen: `## main...origin/main\n50\nv2\n${urlOf('plain')}\nn.txt\nnowhere\n755 10 run.sh\n644 0 empty\n c a f 351 . t x t \\n\n${report.commit}\n0\n0\n`,
    notes: [],
  })
})

test('a branch, a tag, a commit id and another depth give what they name', async () => {
  const side = await clone(await aSandbox(), { url: urlOf('plain'), ref: 'side' })
  const tag = await aSandbox()
  const tagged = await clone(tag, { url: urlOf('plain'), ref: 'v2', depth: 3 })
  const one = await aSandbox()
  const byId = await clone(one, { url: urlOf('plain'), ref: side.commit ?? '' })
  expect({
    tagged: (await run(tag, 'git rev-list --count HEAD; git status --porcelain; git describe --tags')).output,
    byId: byId.commit === side.commit && tagged.commit !== side.commit,
    files: (await run(one, 'cat side.txt; git status --porcelain')).output,
  }).toEqual({ tagged: '3\nv2\n', byId: true, files: 'side\n' })
})

test('an empty repository, submodules and LFS are told', async () => {
  const empty = await clone(await aSandbox(), { url: urlOf('empty') })
  const sandbox = await aSandbox()
  const partial = await clone(sandbox, { url: urlOf('partial') })
  expect({
    empty: empty.notes,
    partial: partial.notes,
    pointer: (await run(sandbox, 'head -c 7 a.bin; ls -A sub')).output,
  }).toEqual({
    empty: ['The repository at localhost has no commits yet.'],
    partial: [
      'Submodules (1) were not fetched; their directories are empty.',
      'Files kept in Git LFS were not fetched; what is there are pointers to them.',
    ],
    pointer: 'version',
  })
})

test('what a repository says of itself runs nothing and leads to no other host', async () => {
  const other = await aSilentHost()
  const elsewhere = `${other.origin}/x.git`
  host.repository(
    'hostile',
    `printf '* filter=evil diff=evil merge=evil text ident\\n*.bin filter=lfs\\n' > .gitattributes
     printf '[lfs]\\n url = ${elsewhere}\\n[filter "evil"]\\n smudge = touch /workspace/ran\\n' > .lfsconfig; cp .lfsconfig .gitconfig
     printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 1\\n' 0 > a.bin
     printf '[submodule "a"]\\n path = a\\n url = ext::touch /workspace/ran\\n[submodule "b"]\\n path = b\\n url = ${elsewhere}\\n' > .gitmodules
     mkdir hooks; printf '#!/bin/sh\\ntouch /workspace/ran\\n' > hooks/post-checkout; chmod +x hooks/post-checkout
     for path in a b; do git update-index --add --cacheinfo 160000,$(printf '1%.0s' $(seq 40)),$path; done
     git add .gitattributes .lfsconfig .gitconfig .gitmodules a.bin hooks; git -c core.hooksPath=/dev/null commit -qm x
     git branch -- 'a;touch_ran'; git update-ref 'refs/heads/$(touch /workspace/ran)' HEAD 2>/dev/null || true
     git update-ref refs/heads/-upload-pack=touch HEAD; git tag -- '\`touch\`'; git update-ref refs/tags/--exec=touch HEAD`,
  )
  const [sandbox, branch] = [await aSandbox(), await aSandbox()]
  const before = host.connections()
  const report = await clone(sandbox, { url: urlOf('hostile') })
  await clone(branch, { url: urlOf('hostile'), ref: 'a;touch_ran' })
  const look = 'ls -A; git config --local --list --name-only | sort -u; git status --porcelain; git branch -a'
  const shown = [await run(sandbox, look), await run(branch, 'ls -A | grep -c ran; git rev-parse --abbrev-ref HEAD')]
  await other.close()
  expect({
    notes: report.notes.length,
    shown: shown.map(({ output }) => output.trim().split('\n')),
    other: other.connections(),
    asked: host.connections() > before,
  }).toEqual({
    notes: 2,
    shown: [
      [
        ...'.git .gitattributes .gitconfig .gitmodules .lfsconfig a a.bin b hooks'.split(' '),
        ...'branch.main.merge branch.main.remote core.bare core.filemode core.logallrefupdates'.split(' '),
        ...'core.repositoryformatversion remote.origin.fetch remote.origin.url'.split(' '),
        '* main',
        '  remotes/origin/HEAD -> origin/main',
        '  remotes/origin/main',
      ],
      ['0', 'a;touch_ran'],
    ],
    other: 0,
    asked: true,
  })
})

test('every failure is a sentence: unknown ref or repository, too large, an unknown certificate, no answer, none that HTTP has', async () => {
  const mute = await aSilentHost()
  const asking = await aGitHost('user:secret')
  host.quirks.isRude.add('rude')
  asking.repository('private', 'echo x > x; git add x; git commit -qm x')
  const hidden = (told: string) => told.replace(/localhost:\d+/, 'HOST')
  const told = {
    ref: await sentence(clone(await aSandbox(), { url: urlOf('plain'), ref: 'missing' })),
    repository: await sentence(clone(await aSandbox(), { url: urlOf('none') })),
    rude: await sentence(clone(await aSandbox(), { url: urlOf('rude') })),
    noAccess: hidden(
      await sentence(
        clone(
          await aSandbox(),
          { url: `${asking.origin}/private.git` },
          { origins: [asking.origin], extraCaFile: asking.caFile },
        ),
      ),
    ),
    unpacked: await sentence(clone(await aSandbox({ workspaceBytes: 150_000_000 }), { url: urlOf('bomb') })),
    file: await sentence(clone(await aSandbox({ fileBytes: 30 * 1024 * 1024 }), { url: urlOf('bomb') })),
    certificate: await sentence(clone(await aSandbox(), { url: urlOf('plain') }, { origins: [host.origin] })),
    mute: await sentence(
      clone(
        await aSandbox(),
        { url: `${mute.origin}/x.git` },
        { ...trusting(), origins: [mute.origin], silenceMs: 1_500 },
      ),
    ),
  }
  await mute.close()
  await asking.close()
  expect(told).toEqual({
    ref: 'There is no branch, tag or commit "missing" in the repository that its host gives out.',
    repository: 'The repository could not be cloned. There is no such repository, or this service has no access to it.',
    rude: 'The repository could not be cloned. The repository’s host does not answer, or it broke the transfer off.',
    noAccess:
      'The repository could not be cloned. There is no such repository, or this service has no access to it. For a private one, store a token for HOST.',
    unpacked: 'The repository cannot be cloned: its files are more than 143 MiB, the limit of a workspace.',
    file: 'The repository cannot be cloned: it holds a file of more than 30 MiB, the limit of a file.',
    certificate:
      'The repository could not be cloned. The host’s certificate is not trusted here. If it comes from an authority of your own, name its file in KEELSON_EXTRA_CA_FILE.',
    mute: 'The repository could not be cloned. The repository’s host does not answer, or it broke the transfer off.',
  })
})

test('private addresses, in names and by rebinding, get one sentence and no connection', async () => {
  const mute = await aSilentHost()
  const port = new URL(mute.origin).port
  const asked = [
    ...[
      '127.0.0.1',
      'localhost',
      '0.0.0.0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '2130706433',
      '0x7f.1',
      '169.254.169.254',
      '10.255.255.1',
    ],
    ...['192.168.255.1', 'host.internal', 'single'],
  ].map((name) => `https://${name}:${port}/x.git`)
  const answers = { private: ['127.0.0.1'], mixed: ['203.0.113.9', '127.0.0.1'], none: [] as string[] }
  const told = []
  for (const url of asked) told.push(await sentence(clone(await aSandbox(), { url }, { origins: [] })))
  for (const addresses of Object.values(answers)) {
    const resolve = () => Promise.resolve(addresses)
    told.push(
      await sentence(
        clone(await aSandbox(), { url: `https://git.example.com:${port}/x.git` }, { origins: [], resolve }),
      ),
    )
  }
  const connections = mute.connections()
  await mute.close()
  expect({ told, connections }).toEqual({ told: Array(15).fill(HOST_REFUSED), connections: 0 })
})

test('the door leads to the one host, ends with the clone, and no other command sees it', async () => {
  const sandbox = await aSandbox()
  await clone(sandbox, { url: urlOf('plain') })
  const after = await run(sandbox, 'ls /run/door 2>&1; ls /run')
  expect({ after: after.output, left: readdirSync(sandbox.doors?.dir ?? '') }).toEqual({
    after: "ls: cannot access '/run/door': No such file or directory\n",
    left: [],
  })
})

test('the door works below a path longer than a socket’s address, and by an address that the operator named', async () => {
  const deep = join(dir, 'd'.repeat(120))
  const provider = createSandboxProvider({ kind: 'local-bwrap', dir: deep, logger: silent, runnerIdleMs: 5_000 })
  const sandbox = await provider.open(await provider.ensure({ projectId: 'prj_deep', generation: 1 }))
  const origin = host.origin.replace('localhost', '127.0.0.1')
  const report = await clone(sandbox, { url: `${origin}/plain.git` }, { ...trusting(), origins: [origin] })
  expect((await run(sandbox, 'git rev-parse HEAD')).output).toBe(`${report.commit}\n`)
  await provider.close()
})

test('a private repository is cloned with a stored token, which nothing inside or in the workspace ever holds', async () => {
  const asking = await aGitHost('bot:t0ken-canary')
  asking.repository('private', 'for i in 1 2 3; do echo $i > x; git add x; git commit -qm $i; done')
  const settings = { origins: [asking.origin], extraCaFile: asking.caFile }
  const url = `${asking.origin}/private.git`
  const credential = {
    id: 'crd_1',
    host: new URL(asking.origin).host,
    username: 'bot',
    secret: 't0ken-canary',
    createdAt: new Date(),
    isNamed: false,
  }
  let uses = 0
  const used = async () => {
    uses += 1
    await Promise.resolve()
  }
  const sandbox = await aSandbox()
  const report = await clone(sandbox, { url }, settings, credential, used)
  const basic = Buffer.from('bot:t0ken-canary').toString('base64')
  const seen = await run(
    sandbox,
    `git rev-list --count HEAD; git config remote.origin.url; grep -rlE 't0ken-canary|${basic}' . | wc -l`,
  )
  const named = await clone(await aSandbox(), { url }, settings, { ...credential, isNamed: true }, used)
  const wrong = await sentence(
    clone(await aSandbox(), { url }, settings, { ...credential, secret: 'old', isNamed: true }, used),
  )
  const [first, second] = asking.authorizations().slice(0, 2)
  await asking.close()
  expect({ seen: seen.output, same: named.commit === report.commit, uses, first, second, wrong }).toEqual({
    seen: `3\n${url}\n0\n`,
    same: true,
    uses: 3,
    first: undefined,
    second: `Basic ${basic}`,
    wrong: `The repository could not be cloned. ${credential.host} refused the stored token: it is wrong, expired or revoked. Delete it and store a new one for ${credential.host}.`,
  })
})

test('a redirect on the same host is followed with the token; one to another host is told and gets nothing', async () => {
  const asking = await aGitHost('bot:t0ken')
  asking.repository('private', 'echo x > x; git add x; git commit -qm x')
  const elsewhere = await aGitHost()
  elsewhere.repository('private', 'echo x > x; git add x; git commit -qm x')
  const settings = { origins: [asking.origin, elsewhere.origin], extraCaFile: asking.caFile }
  const credential = {
    id: 'crd_1',
    host: new URL(asking.origin).host,
    username: 'bot',
    secret: 't0ken',
    createdAt: new Date(),
    isNamed: true,
  }
  asking.redirect('/renamed.git/', '/private.git/')
  asking.redirect('/away.git/', `${elsewhere.origin}/private.git/`)
  const renamed = await clone(await aSandbox(), { url: `${asking.origin}/renamed.git` }, settings, credential)
  const away = await sentence(clone(await aSandbox(), { url: `${asking.origin}/away.git` }, settings, credential))
  const asked = elsewhere.authorizations()
  await asking.close()
  await elsewhere.close()
  expect({ commit: renamed.commit?.length, away, asked }).toEqual({
    commit: 40,
    away: `The repository could not be cloned. It has moved to ${new URL(elsewhere.origin).host}: name its new address. Nothing was sent there.`,
    asked: [],
  })
})
