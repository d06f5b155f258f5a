/** A private repository through a whole instance: token in, clone, task, sync, and a directory of one's own. */

import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { aGitHost, type GitHostFixture } from '../support/git-host.ts'
import { HELD, letGo } from '../support/held-command.ts'
import { running, scriptOf } from '../support/model-admin.ts'
import { CLIENT } from '../support/run-client.ts'
import { TestStack } from '../support/stack.ts'
import { waitFor } from '../support/wait-for.ts'
import { peopleStorySuite } from './suites/people-story.ts'

const CANARY = 'glpat-CANARY-5f3a9c1e7b'
const REGISTRY = 'npm_CANARY-8d20b7e1f4'
const BASIC = Buffer.from(`bot:${CANARY}`).toString('base64')
let git: GitHostFixture
let stack: TestStack
let host: string
let here: string
beforeAll(async () => {
  git = await aGitHost(`bot:${CANARY}`)
  host = new URL(git.origin).host
  git.repository('app', `printf '1\\n2\\n3\\n' > n.txt; git add -A; git commit -qm first`)
  here = mkdtempSync(join(tmpdir(), 'keelson-here-e2e-'))
  const settings = { KEELSON_GIT_ORIGINS: git.origin, KEELSON_EXTRA_CA_FILE: git.caFile, LOG_LEVEL: 'trace' }
  stack = await new TestStack({ settings }).start()
})
afterAll(async () => {
  await stack?.stop()
  await git?.close()
  rmSync(here, { recursive: true, force: true })
})

/** Whatever of the running processes can be seen by `ps`, some times a second, while `work` runs. */
async function watched<T>(work: () => Promise<T>): Promise<{ answer: T; seen: boolean }> {
  let seen = false
  const look = () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      for (const file of ['cmdline', 'environ']) {
        try {
          const text = readFileSync(`/proc/${pid}/${file}`, 'latin1')
          // The test's own git host has it.
          if (Number(pid) !== process.pid && [CANARY, BASIC, REGISTRY].some((each) => text.includes(each))) seen = true
        } catch {
          // It has ended.
        }
      }
    }
  }
  const timer = setInterval(look, 20)
  try {
    return { answer: await work(), seen }
  } finally {
    clearInterval(timer)
  }
}

/** Every file below a directory that holds the token in clear. */
function filesWith(dir: string, texts: readonly string[]): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name)
    if (entry.isDirectory()) return filesWith(path, texts)
    if (!entry.isFile() || statSync(path).size > 256 * 1024 * 1024) return []
    const text = readFileSync(path, 'latin1')
    return texts.some((each) => text.includes(each)) ? [path] : []
  })
}

const READS: Readonly<Record<string, (key: string) => string[]>> = {
  string: (key) => ['GET', key],
  stream: (key) => ['XRANGE', key, '-', '+'],
  hash: (key) => ['HGETALL', key],
  list: (key) => ['LRANGE', key, '0', '-1'],
  set: (key) => ['SMEMBERS', key],
  zset: (key) => ['ZRANGE', key, '0', '-1'],
}

/** Every key that Redis has, with what is in it. */
async function redisTexts(url: string): Promise<string[]> {
  const redis = await createClient({ url }).connect()
  try {
    const texts: string[] = []
    for await (const keys of redis.scanIterator()) {
      for (const key of keys) {
        const read = READS[await redis.type(key)]
        texts.push(`${key} ${read === undefined ? '' : JSON.stringify(await redis.sendCommand(read(key)))}`)
      }
    }
    return texts
  } finally {
    redis.destroy()
  }
}

/** The histories of all workflows there are, as text. */
async function historyTexts(): Promise<string[]> {
  const { workflow } = await stack.temporal()
  const texts: string[] = []
  for await (const { workflowId, runId } of workflow.list()) {
    const history = await workflow.getHandle(workflowId, runId).fetchHistory()
    const data = history.events?.map((event) => JSON.stringify(event, (_, value: unknown) => shown(value)))
    texts.push(`${workflowId} ${data?.join('\n') ?? ''}`)
  }
  return texts
}

/** Bytes of a payload, which JSON would show as numbers, as text. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  const bytes = typeof value === 'object' && value !== null && 'type' in value && 'data' in value ? value : null
  return bytes?.type === 'Buffer' && Array.isArray(bytes.data) ? Buffer.from(bytes.data).toString('latin1') : value
}

async function client(cwd: string, ...words: string[]): Promise<{ code: number; out: string; notes: string }> {
  const env = { PATH: process.env['PATH'], KEELSON_HOME: stack.home, HOME: here }
  return await new Promise((resolve) => {
    execFile(process.execPath, [CLIENT, ...words], { cwd, env, timeout: 120_000 }, (error, out, notes) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, notes })
    })
  })
}

const asks = (command: string) => scriptOf([running(command), { text: 'Done.' }])

test('stored tokens clone, work, sync and publish, and like the instance’s own secrets are in no column, key of Redis, log, event, history, prompt, process, archive, workspace or file in clear', async () => {
  const { api } = stack
  const without = await api.newProject({ kind: 'git', url: `${git.origin}/app.git` })
  const refused = await api.call<{ error: { message: string } }>('GET', `/api/workspace/${without}/files`)
  const made = await api.post<{ id: string; lastUsedAt: string | null }>('/api/credentials', {
    kind: 'git',
    host,
    username: 'bot',
    value: CANARY,
  })
  await api.post('/api/credentials', { kind: 'registry', host: 'registry.example.com', value: REGISTRY })
  const { answer, seen } = await watched(async () => {
    const projectId = await api.newProject({ kind: 'git', url: `${git.origin}/app.git`, credentialId: made.id })
    const work = asks('echo mine > mine.txt; env; cat .git/config; git log --format=%s')
    const { taskId } = await api.chat(projectId, { message: work })
    const task = await api.ended(taskId)
    git.change('app', 'echo 4 >> n.txt; git commit -qam second')
    const synced = await api.post<{ status: string; changed: string[]; checkpoint: { label: string } }>(
      `/api/workspace/${projectId}/sync`,
      { onConflict: 'refuse' },
    )
    const busy = await api.chat(projectId, { message: asks(HELD) })
    const whileRunning = await api.call<{ error: { code: string } }>('POST', `/api/workspace/${projectId}/sync`, {})
    letGo(stack, projectId)
    await api.ended(busy.taskId)
    const { publicationId } = await api.post<{ publicationId: string }>(`/api/tasks/${taskId}/publish`, {})
    const published = await waitFor(async () => {
      const { status } = await api.get<{ status: string }>(`/api/publications/${publicationId}`)
      return status !== 'running' && status
    }, 'it is published')
    return { projectId, taskId, task, synced, whileRunning, published }
  })
  const { projectId, taskId, task, synced, whileRunning, published } = answer
  const content = await api.get<{ content: string }>(`/api/workspace/${projectId}/files/content?path=n.txt`)
  const { items } = await api.get<{ items: { id: string; lastUsedAt: string | null }[] }>('/api/credentials')
  const texts = [CANARY, BASIC, REGISTRY]
  const { apiToken, databaseUrl, redisUrl } = stack.state()
  const secrets = [...texts, apiToken, ...[databaseUrl, redisUrl].map((url) => new URL(url).password)]
  const coded = [CANARY, REGISTRY].flatMap((text) => [
    Buffer.from(text).toString('hex'),
    Buffer.from(text).toString('base64').slice(2, -4),
  ])
  const isTold = (text: string) => [...secrets, ...coded].some((each) => text.includes(each))
  const tables = await stack.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'`,
  )
  const columns: string[] = []
  for (const { name } of tables) {
    const rows = await stack.query<{ row: string }>(`SELECT t::text AS row FROM "${name}" t`)
    if (rows.some(({ row }) => isTold(row))) columns.push(name)
  }
  const events = JSON.stringify(await api.storedEvents(taskId))
  const [histories, keys, prompts] = await Promise.all([
    historyTexts(),
    redisTexts(redisUrl),
    stack.model.bodies(taskId).then((bodies) => bodies.map((body) => JSON.stringify(body))),
  ])
  const answers = await Promise.all(
    [`workspace/${projectId}/archive`, `tasks/${taskId}/patch`, `tasks/${taskId}/evidence`, 'credentials'].map(
      async (path) => JSON.stringify((await api.call('GET', `/api/${path}`)).body),
    ),
  )
  expect({
    refused: [refused.status, refused.body.error.message.includes(`store a token for ${host}`)],
    task: task.status,
    synced: [synced.status, synced.changed],
    whileRunning: [whileRunning.status, whileRunning.body.error.code],
    content: content.content,
    used: items.map(({ id, lastUsedAt }) => [id === made.id, lastUsedAt !== null]),
    seen,
    columns,
    progress: events.includes('sandbox.progress') && events.includes('Cloning from localhost'),
    published,
    looked: [histories.length > 2, keys.length > 0, prompts.length > 1, histories.join().includes(taskId)],
    told: [events, ...histories, ...keys, ...prompts, ...answers].filter(isTold),
    files: [
      ...filesWith(stack.home, texts),
      ...['logs', 'sandboxes'].flatMap((dir) => filesWith(join(stack.home, dir), secrets)),
    ],
  }).toEqual({
    refused: [502, true],
    task: 'completed',
    synced: ['merged', ['n.txt']],
    whileRunning: [409, 'task_running'],
    content: '1\n2\n3\n4\n',
    used: [
      [true, true],
      [false, false],
    ],
    seen: false,
    columns: [],
    progress: true,
    published: 'finished',
    looked: [true, true, true, true],
    told: [],
    files: [],
  })
})

test('the terminal makes and finds the project of an address, and works on the directory that it is started in', async () => {
  const url = `${git.origin}/app.git`
  const first = await client(here, '--git', url, '--ref', 'main', '--json', asks('cat n.txt'))
  const again = await client(here, '--git', url, '--ref', 'main', '--json', asks('cat n.txt'))
  const { items } = await stack.api.get<{ items: { source: { url?: string; ref?: string } }[] }>('/api/projects')
  const dir = join(here, 'mine')
  mkdirSync(dir)
  const sh = (script: string) => execFileSync('bash', ['-ec', script], { cwd: dir, env: { PATH: process.env['PATH'] } })
  sh(
    `git init -q; printf '1\\n2\\n' > n.txt; echo '*.log' > .gitignore; echo noise > a.log; git add -A; echo 3 >> n.txt`,
  )
  const asked = await client(dir, '--here', '--json', asks('ls -A; sed -i s/^2$/two/ n.txt; echo new > new.txt'))
  const untouched = readFileSync(join(dir, 'n.txt'), 'utf8')
  const applied = await client(dir, '--here', '--yes', '--json', asks('sed -i s/^2$/two/ n.txt; echo new > new.txt'))
  const lines = applied.out.trim().split('\n')
  expect({
    codes: [first.code, again.code, first.notes, again.notes].slice(0, 2),
    projects: items.filter(({ source }) => source.url === url && source.ref === 'main').length,
    sent: asked.out.includes('a.log'),
    untouched,
    applied: JSON.parse(lines.at(-1) ?? '{}') as unknown,
    files: [readFileSync(join(dir, 'n.txt'), 'utf8'), readFileSync(join(dir, 'new.txt'), 'utf8')],
    left: readdirSync(dir).sort(),
  }).toEqual({
    codes: [0, 0],
    projects: 1,
    sent: false,
    untouched: '1\n2\n3\n',
    applied: expect.objectContaining({ type: 'here.change', status: 'applied' }) as unknown,
    files: ['1\ntwo\n3\n', 'new\n'],
    left: ['.git', '.gitignore', 'a.log', 'n.txt', 'new.txt'],
  })
})

// Last, since it stops everything in its middle.
peopleStorySuite(() => ({
  stack,
  git,
  terminal: async (...words) => (await client(here, ...words)).code,
}))
