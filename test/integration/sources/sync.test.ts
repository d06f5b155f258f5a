/** Upstream changes merged into a project's files: real git host behind TLS, real sandboxes, real Postgres. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDb, type Db } from '../../../src/db/client.ts'
import { createProject, getProject } from '../../../src/db/project/projects.ts'
import { createRestorer } from '../../../src/restore/restorer.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import type { Workspaces } from '../../../src/sandbox/workspaces.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { type SyncDeps, syncProject } from '../../../src/sources/sync/sync-project.ts'
import { run } from '../../contract/sandbox/harness.ts'
import { aDatabase } from '../../support/database.ts'
import { aGitHost, type GitHostFixture } from '../../support/git-host.ts'
import { type Parts, partsOf } from '../restore/support.ts'

const silent = { info: () => undefined, warn: () => undefined }
let dir: string
let host: GitHostFixture
let db: Db
let database: Awaited<ReturnType<typeof aDatabase>>
let parts: Parts
let workspaces: Workspaces
let deps: SyncDeps
let events: string[] = []
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'keelson-sync-'))
  host = await aGitHost('bot:t0ken')
  database = await aDatabase()
  db = createDb({
    url: database.url,
    applicationName: 'sync-test',
    poolSize: 4,
    onEvents: (_projectId, stored) => events.push(...stored.map(({ type }) => type)),
    onConnectionError: () => undefined,
  })
  const git = { origins: [host.origin], extraCaFile: host.caFile }
  parts = partsOf(db, join(dir, 's'), undefined, git)
  const { credentials, staging } = parts
  workspaces = parts.unguarded
  await credentials.add({ kind: 'git', host: new URL(host.origin).host, username: 'bot', secret: 't0ken' })
  const open = (projectId: string) => workspaces.open(projectId)
  deps = { db, open, git, credentials, staging, kick: () => undefined }
})
afterAll(async () => {
  await host?.close()
  await parts?.close()
  await db?.close()
  await database?.drop()
  rmSync(dir, { recursive: true, force: true })
})

const FIRST = `printf '1\\n2\\n3\\n4\\n5\\n' > n.txt; echo gone > gone.txt; mkdir old; echo x > old/x; echo '*.log' > .gitignore
  printf 'a\\r\\n' > crlf.txt; git add -A; git commit -qm first`

async function aClone(name: string, script = FIRST): Promise<{ id: string; sandbox: Sandbox }> {
  host.repository(name, script)
  const source = { kind: 'git', url: `${host.origin}/${name}.git`, ref: 'main' } as const
  const { id } = await createProject(db, { name, source, sandboxProvider: 'local-bwrap' })
  return { id, sandbox: await workspaces.open(id) }
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => 'no failure',
    (error: unknown) => (error instanceof AppError ? { code: error.code, details: error.details } : error),
  )
}

test('changes on both sides are merged, the project’s git follows, and checkpoints, a note and the commit say so', async () => {
  const { id, sandbox } = await aClone('both')
  const from = (await getProject(db, id)).sourceReport?.commit
  await run(
    sandbox,
    `sed -i 's/^1$/one/' n.txt; echo mine > mine.txt; echo noise > a.log; mkdir node_modules; echo dep > node_modules/d`,
  )
  host.change(
    'both',
    `sed -i 's/^5$/five/' n.txt; git rm -q gone.txt old/x; mkdir new; printf '#!/bin/sh\\n' > new/run.sh; chmod +x new/run.sh
     ln -s n.txt link; git add -A; git commit -qm second`,
  )
  events = []
  const synced = await syncProject(deps, id, 'refuse')
  const seen = await run(
    sandbox,
    `cat n.txt mine.txt a.log node_modules/d; readlink link; stat -c '%a' new/run.sh; ls -d gone.txt old 2>&1 | wc -l
     git status --porcelain; git rev-parse HEAD origin/main; git log --oneline | wc -l; od -c crlf.txt | head -1`,
  )
  const { rows } = await db.pool.query<{ label: string }>(
    'SELECT label FROM checkpoints WHERE project_id = $1 ORDER BY position',
    [id],
  )
  const notes = await db.pool.query<{ text: string }>(`SELECT text FROM messages WHERE project_id = $1`, [id])
  const { commit } = synced
  expect({
    synced: { ...synced, commit: commit.length, checkpoint: synced.checkpoint?.label },
    seen: seen.output,
    labels: rows.map(({ label }) => label),
    notes: notes.rows.map(({ text }) => text),
    recorded: (await getProject(db, id)).sourceReport?.commit === commit,
    events,
  }).toEqual({
    synced: {
      status: 'merged',
      from,
      commit: 40,
      changed: ['gone.txt', 'link', 'n.txt', 'new/run.sh', 'old/x'],
      conflicts: [],
      historyMoved: true,
      checkpoint: `synced with main at ${commit.slice(0, 7)}`,
    },
    seen: `one\n2\n3\n4\nfive\nmine\nnoise\ndep\nn.txt\n755\n2\n M n.txt\n?? mine.txt\n?? node_modules/\n${commit}\n${commit}\n2\n0000000   a  \\r  \\n\n`,
    labels: ['before the sync', `synced with main at ${commit.slice(0, 7)}`],
    notes: [`The files were synced with main at ${commit.slice(0, 7)} (5 files changed).`],
    recorded: true,
    events: [
      'message.created',
      'message.completed',
      ...Array<string>(5).fill('file.changed'),
      'diff.updated',
      'checkpoint.created',
    ],
  })
  expect((await syncProject(deps, id, 'refuse')).status).toBe('up_to_date')
})

test('a conflict refuses with its paths and changes nothing; with marks the next task can resolve it', async () => {
  const { id, sandbox } = await aClone('conflict')
  await run(sandbox, `sed -i 's/^3$/mine/' n.txt; echo kept > gone.txt`)
  host.change('conflict', `sed -i 's/^3$/theirs/; s/^5$/five/' n.txt; git rm -q gone.txt; git commit -qam second`)
  const before = await sandbox.checkpoint()
  const refused = await refusal(syncProject(deps, id, 'refuse'))
  const unchanged = (await sandbox.checkpoint()) === before
  const synced = await syncProject(deps, id, 'markers')
  const seen = await run(sandbox, 'cat n.txt | grep -v "^[<>]"; grep -c "^[<>]" n.txt; cat gone.txt')
  expect({ refused, unchanged, synced: synced.status, conflicts: synced.conflicts, seen: seen.output }).toEqual({
    refused: { code: 'sync_conflict', details: { paths: ['gone.txt', 'n.txt'] } },
    unchanged: true,
    synced: 'conflicts',
    conflicts: ['gone.txt', 'n.txt'],
    seen: '1\n2\nmine\n=======\ntheirs\n4\nfive\n2\nkept\n',
  })
})

test('what lies in the way, a branch that was rewritten, a commit as source and hostile settings of the project change nothing', async () => {
  const way = await aClone('way')
  await run(way.sandbox, 'echo secret > up.log')
  host.change('way', 'git rm -q .gitignore; echo theirs > up.log; git add -A; git commit -qm second')
  const inWay = await refusal(syncProject(deps, way.id, 'markers'))
  const kept = (await run(way.sandbox, 'cat up.log')).output

  const rewritten = await aClone('rewritten')
  host.change('rewritten', 'git checkout -q --orphan fresh; git commit -qm other; git branch -M fresh main', {
    force: true,
  })
  const lost = await refusal(syncProject(deps, rewritten.id, 'refuse'))

  const { commit } = (await getProject(db, way.id)).sourceReport ?? {}
  const source = { kind: 'git', url: `${host.origin}/way.git`, ref: commit ?? '' } as const
  const fixed = await createProject(db, { name: 'fixed', source, sandboxProvider: 'local-bwrap' })
  const one = await refusal(syncProject(deps, fixed.id, 'refuse'))

  const hostile = await aClone('hostile')
  await run(
    hostile.sandbox,
    `git config core.fsmonitor 'touch /workspace/ran'; git config filter.x.clean 'touch /workspace/ran'; echo '* filter=x' > .git/info/attributes
     printf '#!/bin/sh\\ntouch /workspace/ran\\n' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout
     git config remote.origin.url https://elsewhere.example/x.git; git config url.https://elsewhere.example/.insteadOf ${host.origin}/`,
  )
  host.change('hostile', 'echo more > more.txt; git add -A; git commit -qm second')
  const synced = await syncProject(deps, hostile.id, 'refuse')
  expect({ inWay, kept, lost, one, hostile: [synced.status, synced.changed] }).toEqual({
    inWay: { code: 'sync_conflict', details: { paths: ['up.log'] } },
    kept: 'secret\n',
    lost: { code: 'project_source_failed', details: undefined },
    one: { code: 'bad_request', details: undefined },
    hostile: ['merged', ['more.txt']],
  })
})

test('a branch that is gone is told, one that went back brings nothing, and commits of the agent stay through more than one sync', async () => {
  const sentence = async (work: Promise<unknown>) =>
    await work.then(
      () => 'no failure',
      (error: unknown) => (error instanceof AppError ? error.message : String(error)),
    )
  const gone = await aClone('gone', `${FIRST}; git branch other`)
  host.inside('gone', 'git symbolic-ref HEAD refs/heads/other; git update-ref -d refs/heads/main')
  const told = await sentence(syncProject(deps, gone.id, 'refuse'))

  const back = await aClone('back', `${FIRST}; echo more > more.txt; git add -A; git commit -qm second`)
  host.inside('back', 'git update-ref refs/heads/main main~1')
  const went = (await syncProject(deps, back.id, 'refuse')).status
  const stays = (await run(back.sandbox, 'cat more.txt; git status --porcelain')).output

  const { id, sandbox } = await aClone('agent')
  await run(sandbox, 'echo a > agent.txt; git add -A; git commit -qm agent; git tag mine; echo b > loose.txt')
  const syncs: unknown[] = []
  for (const n of ['two', 'three']) {
    host.change('agent', `echo ${n} > ${n}.txt; git add -A; git commit -qm ${n}`)
    const { status, changed, historyMoved } = await syncProject(deps, id, 'refuse')
    syncs.push([status, changed, historyMoved])
  }
  const log =
    'git log --format=%s; git log --format=%s origin/main; git rev-parse --abbrev-ref HEAD; cat *.txt | sort | tail -3'
  const seen = (await run(sandbox, log)).output
  const removed = await aClone('removed')
  await run(removed.sandbox, 'rm -rf .git')
  host.change('removed', 'echo new > new.txt; git add -A; git commit -qm second')
  const without = await syncProject(deps, removed.id, 'refuse')
  expect({ told, went, stays, syncs, seen, without: [without.status, without.changed, without.historyMoved] }).toEqual({
    told: 'There is no branch, tag or commit "main" in the repository that its host gives out.',
    went: 'up_to_date',
    stays: 'more\n',
    syncs: [
      ['merged', ['two.txt'], true],
      ['merged', ['three.txt'], true],
    ],
    seen: 'agent\nfirst\nthree\ntwo\nfirst\nmain\ngone\nthree\ntwo\n',
    without: ['merged', ['new.txt'], false],
  })
})

test('a sync whose process died while it wrote is taken back by whoever opens the files next', async () => {
  const { id, sandbox } = await aClone('died')
  const before = await sandbox.checkpoint()
  host.change('died', 'echo more > more.txt; echo changed > n.txt; git add -A; git commit -qm second')
  const dying: SyncDeps = {
    ...deps,
    open: async (projectId) => {
      const real = await workspaces.open(projectId)
      const fail = () => Promise.reject(new AppError('sandbox_unreachable', 'gone'))
      // Everything but the first batch of writes fails from here on, the way back as well.
      return { ...real, changes: fail, restore: fail }
    },
  }
  const failed = await refusal(syncProject(dying, id, 'refuse'))
  const half = (await run(sandbox, 'cat n.txt')).output
  const restorer = createRestorer({ db, workspaces, log: silent, kick: () => undefined })
  await restorer.settle(id)
  expect({ failed, half, back: (await sandbox.checkpoint()) === before }).toEqual({
    failed: { code: 'sandbox_busy', details: undefined },
    half: 'changed\n',
    back: true,
  })
  expect((await syncProject(deps, id, 'refuse')).status).toBe('merged')
})
