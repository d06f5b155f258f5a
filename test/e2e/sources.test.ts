/** Many projects at once, from all kinds of sources, on a whole instance: nobody waits for a connection or for a silent host. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT } from '../../scripts/lib/paths.mjs'
import type { ForgeStandIn } from '../support/forges/forge.ts'
import { aGitHub } from '../support/forges/github.ts'
import { aGitHost, aSilentHost, type GitHostFixture } from '../support/git-host.ts'
import { running, scriptOf } from '../support/model-admin.ts'
import { TestStack } from '../support/stack.ts'
import { waitFor } from '../support/wait-for.ts'

const TOKEN = 'token-of-the-person'
let git: GitHostFixture
let github: ForgeStandIn
let mute: Awaited<ReturnType<typeof aSilentHost>>
let stack: TestStack
beforeAll(async () => {
  github = aGitHub(TOKEN, () => git.origin)
  git = await aGitHost(undefined, github.api)
  git.repository('plain', 'echo hello > a.txt; ln -s a.txt link; git add -A; git commit -qm first; git tag v1')
  mute = await aSilentHost()
  const settings = { KEELSON_GIT_ORIGINS: `${git.origin},${mute.origin}`, KEELSON_EXTRA_CA_FILE: git.caFile }
  stack = await new TestStack({ settings }).start()
})
afterAll(async () => {
  await stack?.stop()
  await mute?.close()
  await git?.close()
})

const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i % 20}/f${i}.txt`, `${i}\n`]))
const script = scriptOf([running('find . -type f -name "f*.txt" | wc -l'), { text: 'Counted.' }])
const statuses = async (paths: readonly string[]) =>
  await Promise.all(paths.map(async (path) => (await stack.api.call('GET', path)).status))
const times = <T>(count: number, one: () => Promise<T>) => Promise.all(Array.from({ length: count }, one))

test('twelve first messages to twelve new projects of 300 files, three silent git hosts beside them, and requests all the while', {
  timeout: 240_000,
}, async () => {
  const { api } = stack
  const projects = await times(12, () => api.newProject({ kind: 'files', files }))
  const waiting = await times(3, () => api.newProject({ kind: 'git', url: `${mute.origin}/x.git` }))
  const posted = await Promise.all([...waiting, ...projects].map((id) => api.chat(id, { message: script })))
  let isOver = false
  const asked: number[] = []
  const asking = (async () => {
    while (!isOver) asked.push((await api.call('GET', '/api/projects?limit=5')).status)
  })()
  const ended = await Promise.all(posted.map(({ taskId }) => api.ended(taskId, 200_000)))
  isOver = true
  await asking
  const events = (await Promise.all(posted.slice(3).map(({ taskId }) => api.storedEvents(taskId)))).flat()
  const counts = await Promise.all(
    projects.map(async (id) => (await api.get<{ sourceReport: object }>(`/api/projects/${id}`)).sourceReport),
  )
  expect({
    silent: ended.slice(0, 3).map(({ status, reason }) => [status, reason?.code, reason?.message]),
    files: ended.slice(3).map(({ status }) => status),
    resumed: events.filter((event) => event.type === 'task.resumed').length,
    unavailable: JSON.stringify(events).includes('store_unavailable'),
    counts: new Set(counts.map((each) => JSON.stringify(each))).size,
    asked: new Set(asked),
  }).toEqual({
    silent: Array(3).fill([
      'failed',
      'project_source_failed',
      'The repository could not be cloned. The repository’s host does not answer, or it broke the transfer off.',
    ]),
    files: Array(12).fill('completed'),
    resumed: 0,
    unavailable: false,
    counts: 1,
    asked: new Set([200]),
  })
})

test('twelve first listings, and fifty new projects each asked for its criteria, are all answered', {
  timeout: 120_000,
}, async () => {
  const { api } = stack
  const projects = await times(12, () => api.newProject({ kind: 'files', files }))
  const listed = await statuses(projects.map((id) => `/api/workspace/${id}/files`))
  const many = await times(50, () => api.newProject({ kind: 'sample' }))
  const criteria = await statuses(many.map((id) => `/api/workspace/${id}/review-criteria`))
  expect({ listed, criteria }).toEqual({ listed: Array(12).fill(200), criteria: Array(50).fill(200) })
})

test('a repository is there with its history, its commit is told, and one that cannot be had is a sentence with no half-made files', {
  timeout: 120_000,
}, async () => {
  const { api } = stack
  const projectId = await api.newProject({ kind: 'git', url: `${git.origin}/plain.git`, ref: 'v1' })
  const asks = scriptOf([
    running('git status --porcelain; git log --format=%s; git tag; git rev-parse HEAD'),
    { text: 'Looked.' },
  ])
  const { taskId } = await api.chat(projectId, { message: asks })
  const task = await api.ended(taskId)
  const { source } = await api.get<{ source: { commit: string } }>(`/api/projects/${projectId}`)
  const output = JSON.stringify(await stack.model.bodies(taskId))
  const broken = await api.newProject({ kind: 'git', url: `${git.origin}/none.git` })
  const answer = await api.call<{ error: { code: string; message: string } }>('GET', `/api/workspace/${broken}/files`)
  expect({
    status: task.status,
    outcome: task.outcome,
    seen: output.includes(`first\\\\nv1\\\\n${source.commit}`) || output.includes(`first\\nv1\\n${source.commit}`),
    broken: [answer.status, answer.body.error.code, answer.body.error.message],
  }).toEqual({
    status: 'completed',
    outcome: 'no_changes',
    seen: true,
    broken: [
      502,
      'project_source_failed',
      'The repository could not be cloned. There is no such repository, or this service has no access to it.',
    ],
  })
})

test('a message, a change, one call: a commit on a branch and a pull request, told on the project’s stream', {
  timeout: 120_000,
}, async () => {
  const { api } = stack
  git.repository('team/project', 'echo one > a.txt; git add -A; git commit -qm first')
  await api.call('POST', '/api/credentials', { kind: 'git', host: new URL(git.origin).host, value: TOKEN })
  const projectId = await api.newProject({ kind: 'git', url: `${git.origin}/team/project.git` })
  const { taskId } = await api.chat(projectId, {
    message: scriptOf([running('echo two > a.txt'), { text: 'Changed.' }]),
  })
  await api.ended(taskId)
  const asked = await api.call<{ publicationId: string }>('POST', `/api/tasks/${taskId}/publish`, {
    pullRequest: true,
    title: 'Two',
    clientPublishId: 'once',
  })
  const publication = await waitFor(
    async () => {
      const found = await api.get<{
        status: string
        workflowId: string
        error?: object
        pullRequest: { number: number } | null
      }>(`/api/publications/${asked.body.publicationId}`)
      return found.status === 'running' ? undefined : found
    },
    'the publication ended',
    60_000,
  )
  const patch = await api.call<string>('GET', `/api/tasks/${taskId}/patch`)
  expect({
    asked: asked.status,
    ended: { status: publication.status, error: publication.error, number: publication.pullRequest?.number },
    workflowId: publication.workflowId === `publish/${asked.body.publicationId}`,
    log: git.inside('team/project', 'git log --format=%s --all --not main').trim(),
    pulls: github.pulls.map(({ title, base }) => [title, base]),
    violations: github.violations,
    patch: [patch.status, String(patch.body).includes('+two')],
  }).toEqual({
    asked: 202,
    ended: { status: 'finished', error: undefined, number: 1 },
    workflowId: true,
    log: 'Two',
    pulls: [['Two', 'main']],
    violations: [],
    patch: [200, true],
  })
})

/** `keelson` as a person types it in a terminal, on this instance. */
async function keelson(
  words: readonly string[],
  input = '',
): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, KEELSON_HOME: stack.home }
  const child = spawn(process.execPath, [join(ROOT, 'bin', 'keelson'), ...words], { env })
  const ended = once(child, 'close') as Promise<[number | null]>
  child.stdin.end(input)
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await ended
  return { code, out, err }
}

test('in the terminal: a token once, then a message, a pull request; what cannot be is a sentence and an exit code', {
  timeout: 120_000,
}, async () => {
  const host = new URL(git.origin).host
  const url = `${git.origin}/team/project.git`
  const stored = await keelson(['credentials', git.origin], `${TOKEN}\n`)
  const listed = await keelson(['credentials'])
  const message = scriptOf([running('echo newcomer > b.txt'), { text: 'Changed.' }])
  const chat = await keelson(['chat', '--git', url, message])
  const sameProject = await keelson(['chat', '--git', url.replace(/\.git$/, '/'), '/cost'])
  const before = github.pulls.length
  const published = await keelson(['publish', '--pr', '--branch', 'newcomer', '--title', 'From the terminal'])
  const again = await keelson(['publish', '--pr', '--branch', 'newcomer', '--json'])
  const patch = await keelson(['patch'])
  const inChat = await keelson(['chat', '--git', url, '/patch', join(stack.home, 'task.patch')])
  const [branch, unknown, plain] = [
    await keelson(['publish', '--branch', 'a..b']),
    await keelson(['publish', 'tsk_none']),
    await keelson(['credentials', 'not a host'], 'x'),
  ]
  const removed = await keelson(['credentials', host, '--remove'])
  const left = await keelson(['credentials', '--json'])
  const number = before + 1
  expect({
    stored: [stored.code, stored.out],
    listed: [listed.code, listed.out.includes(host), listed.out.includes(TOKEN)],
    chat: [chat.code, chat.out.includes('keelson publish --pr, opens a pull request'), sameProject.code],
    published: [published.code, published.out.split('\n').slice(0, 2)],
    again: [again.code, JSON.parse(again.out).pullRequest.number, github.pulls.length - before],
    patch: [patch.code, patch.out.startsWith('From '), patch.out.includes('+newcomer')],
    inChat: inChat.code,
    branch: [branch.code, branch.err],
    unknown: [unknown.code, unknown.err.includes('no such task')],
    plain: [plain.code, plain.err.includes('host')],
    removed: [removed.code, removed.out],
    left: JSON.parse(left.out),
  }).toEqual({
    stored: [0, `Stored for ${host}.\n`],
    listed: [0, true, false],
    chat: [0, true, 0],
    published: [
      0,
      [
        expect.stringMatching(
          /^Branch newcomer at [0-9a-f]{12}: https:\/\/localhost:\d+\/team\/project\/tree\/newcomer$/,
        ),
        `Pull request #${number}: ${git.origin}/team/project/pull/${number}`,
      ],
    ],
    again: [0, number, 1],
    patch: [0, true, true],
    inChat: 0,
    branch: [2, 'branch: must not hold .. or @{ or //.\n'],
    unknown: [2, true],
    plain: [2, true],
    removed: [0, `What was stored for ${host} is removed.\n`],
    left: [],
  })
})

/** `keelson` in a terminal of its own: `typed` is entered at the sight of `prompt`. Both streams, as the terminal shows them. */
async function atTerminal(words: readonly string[], prompt: string, typed: string) {
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, KEELSON_HOME: stack.home, TERM: 'xterm' }
  const command = [process.execPath, join(ROOT, 'bin', 'keelson'), ...words].map((word) => `'${word}'`).join(' ')
  const child = spawn('script', ['-qec', command, '/dev/null'], { env })
  let shown = ''
  child.stdout.on('data', (chunk: Buffer) => {
    const isAsked = shown.includes(prompt)
    shown += chunk.toString()
    if (!isAsked && shown.includes(prompt)) child.stdin.write(typed)
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, shown }
}

test('who may not push publishes from their fork in the terminal; the token is typed and never shown', {
  timeout: 120_000,
}, async () => {
  const host = new URL(git.origin).host
  const url = `${git.origin}/team/project.git`
  const prompt = `Token for ${host}`
  const left = await atTerminal(['credentials', host], prompt, `${TOKEN}\x03`)
  const typed = await atTerminal(['credentials', host], prompt, `x\x7f${TOKEN}\r`)
  git.quirks.isReadOnly.add('team/project')
  github.forks.make = () => git.fork('team/project', 'someone/project')
  const chat = await keelson(['chat', '--git', url, scriptOf([running('echo forked > c.txt'), { text: 'Changed.' }])])
  const refused = await keelson(['publish', '--pr', '--branch', 'mine'])
  const published = await keelson(['publish', '--pr', '--fork', '--branch', 'mine'])
  const inChat = await keelson(['chat', '--git', url, '/publish fork pr mine'])
  const json = await keelson(['publish', '--fork', '--branch', 'mine', '--json'])
  const pull = github.pulls.at(-1)
  const at = /Branch mine of someone\/project at [0-9a-f]{12}: \S+\/someone\/project\/tree\/mine\n/
  expect({
    left: [left.code, left.shown.includes('Nothing was stored.'), left.shown.includes(TOKEN)],
    typed: [typed.code, typed.shown.includes(`Stored for ${host}.`), typed.shown.includes(TOKEN)],
    chat: chat.code,
    refused: [refused.code, refused.out.includes('--fork')],
    published: [published.code, at.test(published.out), published.out.includes(`Pull request #${pull?.number}:`)],
    inChat: [inChat.code, at.test(inChat.out)],
    json: [json.code, JSON.parse(json.out).fork],
    pull: [pull?.head, pull?.from],
    forks: github.forks.made,
    violations: github.violations,
  }).toEqual({
    left: [2, true, false],
    typed: [0, true, false],
    chat: 0,
    refused: [1, true],
    published: [0, true, true],
    inChat: [0, true],
    json: [0, 'someone/project'],
    pull: ['mine', 'someone/project'],
    forks: 1,
    violations: [],
  })
})
