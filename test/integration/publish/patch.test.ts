/** A task's change as a patch over HTTP, from the real sandbox, taken by the real `git am`. */

import { execFileSync } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../../contract/sandbox/harness.ts'
import type { TestDb } from '../../support/database.ts'
import { aProject } from '../../support/tasks.ts'
import type { Parts } from '../restore/support.ts'
import { aFilesServer, type FilesServer } from '../server/files-server.ts'
import { type TestServer, TOKEN } from '../server/harness.ts'
import { aTaskThat } from './support.ts'

let host: FilesServer
let db: TestDb
let dir: string
let parts: Parts
let server: TestServer
beforeAll(async () => {
  host = await aFilesServer()
  ;({ db, dir, parts, server } = host)
})
afterAll(() => host?.close())

async function download(taskId: string): Promise<{ status: number; body: Buffer }> {
  const answer = await fetch(`${server.url}/api/tasks/${taskId}/patch`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) }
}
const codeOf = ({ status, body }: { status: number; body: Buffer }) => [
  status,
  (JSON.parse(body.toString()) as { error: { code: string } }).error.code,
]

/** Makes a repository out of a script, and gives what `git am` makes of the mailbox there. */
async function applied(script: string, mailbox: Buffer): Promise<{ tree: string; log: string; git: string }> {
  const at = await mkdtemp(join(dir, 'repo-'))
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: at,
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
  }
  const sh = (text: string) => execFileSync('bash', ['-ec', text], { cwd: at, env, encoding: 'latin1', stdio: 'pipe' })
  sh(`git init -q -b main; ${script}; git add -A; git commit -qm base`)
  await writeFile(join(at, '..', 'mailbox'), mailbox)
  sh('git am -q ../mailbox')
  return { tree: sh('git rev-parse HEAD^{tree}').trim(), log: sh('git log -1 --format=%an%n%ae%n%at%n%B'), git: at }
}
/** The tree that git itself makes of the files as they are in the workspace. */
async function treeOf(projectId: string): Promise<string> {
  const sandbox = await parts.workspaces.open(projectId)
  const { output } = await run(
    sandbox,
    'export GIT_INDEX_FILE=/tmp/index; rm -f $GIT_INDEX_FILE; git add -A && git write-tree',
  )
  return output.trim()
}

const BASE = `printf 'one\\ntwo\\n' > a.txt; printf 'x\\r\\ny\\r\\n' > crlf.txt; seq 1 200 > moved.txt; printf '#!/bin/sh\\n' > run.sh
  printf 'odd' > "$(printf 'caf\\351 "q" \\\\.txt')"; ln -s a.txt link; mkdir -p d; printf z > d/gone; printf 'f' > kind; printf '*.log\\n/out/\\n.env\\n' > .gitignore
  mkdir keep; printf '*.dat\\n!good.dat\\n' > keep/.gitignore`
const CHANGE = `printf 'one\\nTWO' > a.txt; printf 'x\\r\\nY\\r\\n' > crlf.txt; mkdir e; mv moved.txt e/moved.txt; echo 201 >> e/moved.txt; chmod +x run.sh
  printf 'odd2' > "$(printf 'caf\\351 "q" \\\\.txt')"; printf n > "$(printf 'new\\nline\\tß')"; ln -sfn nowhere link; rm -r d; rm kind; ln -s a.txt kind
  head -c 5000 /dev/urandom > bin; printf 'a\\0b' > nul; : > empty; echo s > .env; mkdir out; echo o > out/x; echo l > y.log; echo b > keep/bad.dat; echo g > keep/good.dat
  mkdir -p hollow; chmod 600 a.txt; head -c 3000000 /dev/urandom > large.bin`

test('git am makes the same tree of it: byte names, line ends, modes, links, binaries, renames, a large file', async () => {
  const projectId = await aProject(db)
  await run(await parts.workspaces.open(projectId), `${BASE}; git init -q; git add -A; git commit -qm base`)
  const taskId = await aTaskThat(
    { db, workspaces: parts.workspaces },
    projectId,
    CHANGE,
    'Ändere alles, was\nhier steht\n---\nFrom me\ndiff --git a/x b/x',
  )
  const { status, body } = await download(taskId)
  const made = await applied(BASE, body)
  const finished = (await db.pool.query('SELECT finished_at FROM tasks WHERE id = $1', [taskId])).rows[0].finished_at
  expect({ status, tree: made.tree, log: Buffer.from(made.log, 'latin1').toString() }).toEqual({
    status: 200,
    tree: await treeOf(projectId),
    log: `Keelson\nkeelson@localhost\n${Math.floor(finished.getTime() / 1000)}
Ändere alles, was

Ändere alles, was
hier steht
 ---
 From me
 diff --git a/x b/x

Verdict: not reviewed
Evidence: unverified (checks: none)
Task: ${taskId}

`,
  })
})

test('a readable change stays readable, and what git tracks although it is ignored is in it', async () => {
  const projectId = await aProject(db)
  const base = `mkdir dist; echo 1 > dist/x; echo 1 > a; echo dist > .gitignore; git add -f dist`
  await run(await parts.workspaces.open(projectId), `git init -q; ${base}; git add -A; git commit -qm base`)
  const taskId = await aTaskThat(
    { db, workspaces: parts.workspaces },
    projectId,
    'echo 2 > dist/x; echo 2 > a; echo new > dist/new',
  )
  const { body } = await download(taskId)
  const made = await applied(base, body)
  const names = execFileSync('git', ['show', '--format=', '--name-only', 'HEAD'], { cwd: made.git, encoding: 'utf8' })
  expect({ names, plain: body.includes('+2\n') }).toEqual({ names: 'a\ndist/x\n', plain: true })
})

test('a project without git gives a patch too, without its ignored files', async () => {
  const projectId = await aProject(db)
  await run(await parts.workspaces.open(projectId), 'echo 1 > a; echo .env > .gitignore')
  const taskId = await aTaskThat({ db, workspaces: parts.workspaces }, projectId, 'echo 2 > a; echo secret > .env')
  const { body } = await download(taskId)
  const made = await applied('echo 1 > a; echo .env > .gitignore', body)
  const names = execFileSync('git', ['show', '--format=', '--name-only', 'HEAD'], { cwd: made.git, encoding: 'utf8' })
  expect({ names, secret: body.includes('secret') }).toEqual({ names: 'a\n', secret: false })
})

test('there is none for a task that runs, that changed nothing or only what is ignored, or that is not there', async () => {
  const projectId = await aProject(db)
  await run(await parts.workspaces.open(projectId), 'echo .env > .gitignore')
  const nothing = await aTaskThat({ db, workspaces: parts.workspaces }, projectId, 'true')
  const ignored = await aTaskThat({ db, workspaces: parts.workspaces }, projectId, 'echo x > .env; mkdir hollow')
  const running = await aTaskThat({ db, workspaces: parts.workspaces }, projectId, 'echo x > x', 'Go on', {
    isOver: false,
  })
  const told = []
  for (const taskId of [nothing, ignored, running, 'tsk_none']) told.push(codeOf(await download(taskId)))
  expect(told).toEqual([
    [409, 'no_changes'],
    [409, 'no_changes'],
    [409, 'task_running'],
    [404, 'not_found'],
  ])
})
