/** Publishing over HTTP to a real git host behind TLS with a token. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { removePlace } from '../../../src/publish/place.ts'
import { syncProject } from '../../../src/sources/sync/sync-project.ts'
import { run } from '../../contract/sandbox/harness.ts'
import { aProject } from '../../support/tasks.ts'
import { aPublishWorld, control, errorOf, type PublishWorld, SECRET } from './world.ts'

let world: PublishWorld
beforeAll(async () => {
  world = await aPublishWorld()
}, 60_000)
afterAll(async () => {
  await world?.close()
})

const BASE = `printf 'one\\n' > a.txt; mkdir d; echo gone > d/gone; printf '#!/bin/sh\\n' > run.sh; printf 'x\\r\\ny\\r\\n' > crlf.txt
  printf 'p\\r\\nq\\r\\n' > kept.txt; git add -A; git commit -qm first; printf '*.txt text\\n' > .gitattributes; printf '.env\\nout\\n' > .gitignore
  mkdir out; echo tracked > out/x; git update-index --add --cacheinfo 160000,$(printf '1%.0s' $(seq 40)),sub
  printf latin > "$(printf 'caf\\351.txt')"; git add .gitattributes .gitignore caf*; git add -f out; git commit -qm base`

test('one commit on a branch of its own: what git would keep of the files, and nothing that they can steer', async () => {
  const { host, task, publish } = world
  host.repository('plain', BASE)
  const projectId = await aProject(world.db, world.source('plain'))
  const sandbox = await world.parts.workspaces.open(projectId)
  const taskId = await task(
    projectId,
    `printf 'two\\n' > a.txt; rm -r d; chmod 755 run.sh; ln -s a.txt link; echo s > .env; echo 2 > out/x; echo n > out/new
     head -c 3000000 /dev/zero > large; printf 'é' > "$(printf 'n\\nl')"; chmod 600 a.txt
     git config user.name evil; printf '#!/bin/sh\\nexit 1' > .git/hooks/pre-push; chmod +x .git/hooks/pre-push
     git config filter.x.clean 'sed s/two/evil/'; echo '*.txt filter=x' > .git/info/attributes; git config core.excludesFile a.txt`,
    'Ändere die Dateien\nbitte alle',
  )
  const published = await publish(taskId)
  const log = host.inside('plain', 'git log --format="%an %ae|%cn|%P|%B" -1 keelson/andere-die-dateien')
  const names = host.inside('plain', 'git diff-tree -r --no-renames --name-status -z HEAD keelson/andere-die-dateien')
  const parent = host.inside('plain', 'git rev-parse HEAD').trim()
  expect({
    published: {
      ...published,
      id: 'id',
      workflowId: 'w',
      conversationId: 'c',
      createdAt: 'at',
      finishedAt: 'at',
    },
    log: Buffer.from(log, 'latin1').toString(),
    names: names.split('\0'),
    content: host.inside('plain', 'git show keelson/andere-die-dateien:a.txt'),
    branches: host.inside('plain', 'git for-each-ref --format="%(refname)"'),
    sandbox: (await run(sandbox, 'git log --format=%s -1; cat .env')).output,
  }).toEqual({
    published: {
      id: 'id',
      projectId,
      conversationId: 'c',
      taskId,
      workflowId: 'w',
      status: 'finished',
      step: 'done',
      branch: 'keelson/andere-die-dateien',
      title: 'Ändere die Dateien',
      commit: host.inside('plain', 'git rev-parse keelson/andere-die-dateien').trim(),
      parent,
      baseBranch: 'main',
      wantsFork: false,
      wantsPullRequest: false,
      draft: false,
      pullRequest: null,
      createdAt: 'at',
      finishedAt: 'at',
    },
    log: `Ada ada@example.org|Ada|${parent}|Ändere die Dateien

Ändere die Dateien
bitte alle

Verdict: not reviewed
Evidence: unverified (checks: none)
Task: ${taskId}

Co-authored-by: Keelson (claude-haiku-4-5) <agent@keelson.invalid>

`,
    names: ['M', 'a.txt', 'D', 'd/gone', 'A', 'large', 'A', 'link', 'A', 'n\nl', 'M', 'out/x', 'M', 'run.sh', ''],
    content: 'two\n',
    branches: 'refs/heads/keelson/andere-die-dateien\nrefs/heads/main\n',
    sandbox: 'base\ns\n',
  })
})

const SMALL = 'echo 1 > a; git add -A; git commit -qm base'
async function aRepository(name: string, script = SMALL): Promise<string> {
  world.host.repository(name, script)
  return await aProject(world.db, world.source(name))
}
const branches = (name: string) =>
  world.host.inside(name, 'git for-each-ref --format="%(refname:lstrip=2) %(subject)" refs/heads')

test('a later task of the conversation adds a commit, another conversation of the same title has a branch of its own', async () => {
  const projectId = await aRepository('later')
  const first = await world.task(projectId, 'echo 2 > a; echo x > gone', 'Same title')
  const one = await world.publish(first)
  const conversationId = await world.conversationOf(first)
  const second = await world.task(projectId, 'echo 3 > a; rm gone', 'Now three', { conversationId })
  const two = await world.publish(second)
  const again = await world.publish(second)
  const older = await world.post(`/api/tasks/${first}/publish`, {})
  const elsewhere = await world.publish(first, { branch: 'elsewhere' })
  const { body: other } = await world.post(`/api/workspace/${projectId}/conversations`, { title: 'Same title' })
  const third = await world.task(projectId, 'echo 4 > a', 'Same title', { conversationId: String(other['id']) })
  const three = await world.publish(third)
  expect({
    log: world.host.inside(
      'later',
      'git log --format=%s keelson/same-title; git show --format= --name-status keelson/same-title',
    ),
    parent: two['parent'] === one['commit'],
    again: [again['status'], again['commit'] === two['commit']],
    older: [older.status, errorOf(older.body)],
    elsewhere: [elsewhere['status'], elsewhere['parent'] === one['parent']],
    three: [three['status'], three['branch']],
    branches: branches('later').split('\n').length,
  }).toEqual({
    log: 'Now three\nSame title\nbase\nM\ta\nD\tgone\n',
    parent: true,
    again: ['finished', true],
    older: [409, 'branch_moved'],
    elsewhere: ['finished', true],
    three: ['finished', `keelson/same-title-${String(other['id']).slice(-6)}`],
    branches: 5,
  })
})

test('nothing is overwritten: a branch that moved, one with other work, names that exclude each other', async () => {
  const projectId = await aRepository(
    'moving',
    `${SMALL}; git branch other; git commit -q --allow-empty -m more; git branch taken; git reset -q --hard other; git branch dir/inner`,
  )
  const taskId = await world.task(projectId, 'echo 2 > a', 'Move')
  const fromMain = await world.publish(taskId, { branch: 'main' })
  const taken = await world.publish(taskId, { branch: 'taken' })
  const below = await world.publish(taskId, { branch: 'dir' })
  const above = await world.publish(taskId, { branch: 'other/x' })
  const own = await world.publish(taskId)
  world.host.inside('moving', 'git update-ref refs/heads/keelson/move taken')
  const conversationId = await world.conversationOf(taskId)
  const later = await world.task(projectId, 'echo 3 > a', 'More', { conversationId })
  const moved = await world.publish(later)
  expect({
    told: [fromMain, taken, below, above, own, moved].map((each) => [each['status'], errorOf(each)]),
    branches: branches('moving'),
  }).toEqual({
    told: [
      ['finished', undefined],
      ['failed', 'branch_taken'],
      ['failed', 'branch_taken'],
      ['failed', 'branch_taken'],
      ['finished', undefined],
      ['failed', 'branch_moved'],
    ],
    branches: 'dir/inner base\nkeelson/move more\nmain Move\nother base\ntaken more\n',
  })
})

test('what the host refuses is told as what it is, and a name that is no branch before anything is stored', async () => {
  const projectId = await aRepository('refusing')
  world.host.inside(
    'refusing',
    `printf '#!/bin/sh\necho "GH006: Protected branch update failed" >&2; exit 1\n' > hooks/pre-receive; chmod +x hooks/pre-receive`,
  )
  const taskId = await world.task(
    projectId,
    'echo 2 > a; mkdir -p .github/workflows; echo x > .github/workflows/ci.yml',
  )
  const files = await world.publish(taskId)
  const hook = await world.publish(taskId, { allowWorkflowFiles: true })
  const names = ['-x', 'a..b', 'a b', 'x.lock', 'HEAD', 'refs/heads/x', 'a/.b', 'a~1', '', 'x'.repeat(241), 'e\u0000']
  const refused = []
  for (const branch of names) refused.push((await world.post(`/api/tasks/${taskId}/publish`, { branch })).status)
  const { body } = await world.get(`/api/workspace/${projectId}/publications?taskId=${taskId}`)
  const ending = (await world.get(`/api/tasks/${taskId}/ending`)).body
  expect({
    ending: { isGit: ending['isGit'], publication: ending['publication'] },
    told: [files, hook].map((each) => [each['status'], errorOf(each)]),
    names: (files['error'] as { message: string }).message.includes('.github/workflows/ci.yml'),
    refused,
    stored: (body['items'] as unknown[]).length,
    branches: branches('refusing'),
  }).toEqual({
    ending: { isGit: true, publication: hook },
    told: [
      ['failed', 'workflow_files'],
      ['failed', 'branch_protected'],
    ],
    names: true,
    refused: names.map(() => 400),
    stored: 2,
    branches: 'main base\n',
  })
})

test('a task that runs, changed nothing, was undone or has no repository is refused with the way out', async () => {
  const projectId = await aRepository('refused')
  const nothing = await world.task(projectId, 'true')
  const undone = await world.task(projectId, 'echo 2 > a')
  await world.post(`/api/tasks/${undone}/undo`, {})
  const { body: after } = await world.get(`/api/workspace/${projectId}/undo`)
  const running = await world.task(projectId, 'echo 3 > a', 'Run', { isOver: false })
  const plain = await world.task(await aProject(world.db), 'echo 1 > a')
  const told = []
  for (const taskId of [nothing, undone, running, plain, 'tsk_none']) {
    const { status, body } = await world.post(`/api/tasks/${taskId}/publish`, {})
    told.push([status, errorOf(body)])
  }
  const none = await world.get('/api/publications/pub_none')
  expect({ told, none: none.status, after: after['taskId'] }).toEqual({
    told: [
      [409, 'no_changes'],
      [409, 'task_undone'],
      [409, 'task_running'],
      [409, 'no_git_source'],
      [404, 'not_found'],
    ],
    none: 404,
    after: null,
  })
})

test('the same clientPublishId is one publication, with another wish it is refused, and so is a second one meanwhile', async () => {
  const projectId = await aRepository('once')
  const taskId = await world.task(projectId, 'echo 2 > a')
  const ask = (wish: object) => world.post(`/api/tasks/${taskId}/publish`, wish)
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask({ clientPublishId: 'one' })))
  const other = await ask({ clientPublishId: 'one', branch: 'x' })
  const meanwhile = await ask({})
  const id = String(answers[0]?.body['publicationId'])
  const { rows } = await world.db.pool.query(
    "SELECT count(*)::int AS n FROM outbox WHERE kind = 'publish' AND project_id = $1",
    [projectId],
  )
  // Each step twice, as after a kill, and on a machine that lost the first one's place.
  await world.steps.buildCommit(id, control)
  await world.steps.buildCommit(id, control)
  await removePlace(world.parts.provider, id)
  await world.steps.pushBranch(id, control)
  await world.steps.pushBranch(id, control)
  await world.steps.finish({ publicationId: id, projectId }, null)
  await world.steps.finish({ publicationId: id, projectId }, { code: 'internal', message: 'too late' })
  const { body } = await world.get(`/api/publications/${id}`)
  const events = await world.db.pool.query("SELECT data FROM events WHERE project_id = $1 AND type LIKE 'publish.%'", [
    projectId,
  ])
  const rowsText = JSON.stringify([events.rows, (await world.db.pool.query('SELECT * FROM publications')).rows])
  expect({
    ids: new Set(answers.map((answer) => answer.body['publicationId'])).size,
    statuses: new Set(answers.map(({ status }) => status)),
    other: [other.status, errorOf(other.body)],
    meanwhile: [meanwhile.status, errorOf(meanwhile.body)],
    outbox: rows[0].n,
    events: events.rows.length,
    status: body['status'],
    commit: body['commit'] === world.host.inside('once', 'git rev-parse keelson/do-it').trim(),
    commits: world.host.inside('once', 'git rev-list --count --all').trim(),
    leaked: rowsText.includes(SECRET),
  }).toEqual({
    ids: 1,
    statuses: new Set([202]),
    other: [409, 'idempotency_mismatch'],
    meanwhile: [409, 'publish_running'],
    outbox: 1,
    events: 2,
    status: 'finished',
    commit: true,
    commits: '2',
    leaked: false,
  })
})

test('without a token, with a wrong one and without write access the sentence names what is missing', async () => {
  const projectId = await aRepository('closed')
  const taskId = await world.task(projectId, 'echo 2 > a')
  const { credentials } = world.parts
  const host = new URL(world.host.origin).host
  const [own] = await credentials.list()
  await credentials.remove(own?.id ?? '')
  const missing = await world.publish(taskId)
  await credentials.add({ kind: 'git', host, username: 'someone', secret: 'wrong' })
  const wrong = await world.publish(taskId)
  await credentials.add({ kind: 'git', host, username: 'someone', secret: SECRET })
  world.host.inside('closed', 'git config http.receivepack false')
  const forbidden = await world.publish(taskId)
  expect([missing, wrong, forbidden].map((each) => [each['status'], errorOf(each)])).toEqual([
    ['failed', 'credential_missing'],
    ['failed', 'credential_refused'],
    ['failed', 'missing_scope'],
  ])
})

test('a task whose change lies behind a sync is published with what the sync made of it, and never with its marks', async () => {
  const { db, parts, host } = world
  const projectId = await aRepository('synced', 'seq 1 9 > n; echo 1 > other; git add -A; git commit -qm base')
  const git = { origins: [host.origin], extraCaFile: host.caFile }
  const { provider: staging, credentials } = parts
  const open = (id: string) => parts.workspaces.open(id)
  const sync = (onConflict: 'refuse' | 'markers') =>
    syncProject({ db, open, git, credentials, staging, kick: () => undefined }, projectId, onConflict)
  const mine = await world.task(projectId, 'sed -i s/1/one/ n', 'Mine')
  host.change('synced', 'sed -i s/9/nine/ n; echo up > new; git rm -q other; git add -A; git commit -qm theirs')
  const moved = await world.publish(mine, { branch: 'main' })
  await sync('refuse')
  const merged = await world.publish(mine, { branch: 'main' })
  const seen = host.inside(
    'synced',
    'git log --format=%s main; git show main:n | tr "\\n" " "; git ls-tree --name-only main',
  )
  const evidence = host.inside('synced', 'git log -1 --format=%B main').includes('Evidence: unverified')
  const own = await world.publish(mine)
  const conversationId = await world.conversationOf(mine)
  host.inside('synced', 'git update-ref refs/heads/main main~1')
  host.change('synced', 'echo more > more; git add -A; git commit -qm more')
  await sync('refuse')
  const after = await world.task(projectId, 'echo after > after', 'After', { conversationId })
  const joined = await world.publish(after)
  const graph = host.inside('synced', 'git log -1 --format=%P keelson/mine; git diff --name-status main...keelson/mine')
  const parents = `${String(own['commit'])} ${host.inside('synced', 'git rev-parse main').trim()}`
  const clash = await world.task(projectId, 'echo mine > new', 'Clash')
  host.change('synced', 'echo theirs > new; git add -A; git commit -qm clash')
  await sync('markers')
  const marked = await world.publish(clash, { branch: 'marked' })
  expect({
    joined: graph.split('\n')[0] === parents,
    changed: graph.split('\n').slice(1),
    told: [moved, merged, joined, marked].map((each) => [each['status'], errorOf(each)]),
    seen,
    evidence,
  }).toEqual({
    told: [
      ['failed', 'branch_moved'],
      ['finished', undefined],
      ['finished', undefined],
      ['failed', 'sync_conflict'],
    ],
    joined: true,
    changed: ['A\tafter', 'M\tn', ''],
    seen: 'Mine\ntheirs\nbase\none 2 3 4 5 6 7 8 nine n\nnew\n',
    evidence: true,
  })
})
