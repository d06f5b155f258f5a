import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CRASH_POINTS } from '../../src/shared/crash-points.ts'
import { createApi } from './api.ts'
import { testBinaries } from './binaries.ts'
import type { Struck } from './faults.ts'
import { untilSent } from './leftovers.ts'
import { judge } from './oracle.ts'
import { aPublishHost, type PublishHost, publicationCrashSuite } from './publications.ts'
import { createRandom } from './random.ts'
import { type ChaosStack, type OwnPart, startChaosStack } from './stack.ts'
import { createTracker } from './tracker.ts'
import { createLedger } from './user.ts'
import { Viewer } from './viewer.ts'
import { until } from './wait.ts'
import { BEGUN, ENDED, notesOf, type Work } from './work.ts'

/** Says what the supervisor waits for and does nothing: the workers that count are the test's own. */
const NO_WORKER = ['--eval', 'console.log("worker ready"); setInterval(() => undefined, 60_000)']
const IN_SERVER = CRASH_POINTS.filter((point) => /^(accept|outbox)\./.test(point))
/** No message brings these about: publications.ts and test/integration/restore (comparisons too), publish, setup and sandbox die in them. */
const IN_WORKER = CRASH_POINTS.filter(
  (point) => !IN_SERVER.includes(point) && !/^(restore|publish|setup|comparison|choice|takeover)\./.test(point),
)
/** So many at once: each attempt that is lost costs the heartbeat's five seconds. */
const GROUP = 4
const GROUPS = Array.from({ length: Math.ceil(IN_WORKER.length / GROUP) }, (_, n) => {
  return IN_WORKER.slice(n * GROUP, (n + 1) * GROUP)
})
const MAX_ROUNDS = 6
const TASK_LIMIT_MS = 90_000

const ledger = createLedger()
const tracker = createTracker()
const viewers: Viewer[] = []
const projectIds: string[] = []
const struck: Struck[] = []
let home: string
let stack: ChaosStack
let host: PublishHost
const bench = {
  get stack() {
    return stack
  },
  get host() {
    return host
  },
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'keelson-crash-'))
  host = await aPublishHost()
  stack = await startChaosStack({
    home,
    settings: host.settings,
    binaries: testBinaries(),
    workerArgs: NO_WORKER,
    modelArgs: ['--tps', '2000'],
  })
})

afterAll(async () => {
  await Promise.all(viewers.map((viewer) => viewer.stop()))
  await stack.stop()
  await host.git.close()
  rmSync(home, { recursive: true, force: true })
})

/** A file, a command and an edit, each of which shows how often it was done. */
function smallWork(name: string): Work {
  const word = (ordinal: number) => `${name}.1.${ordinal}`
  const command = `echo ${word(1)} >> ${BEGUN}; sleep 0.2; echo ${word(1)} >> ${ENDED}`
  const edit = { file_path: notesOf(name), old_string: 'END', new_string: `${word(2)}\nEND` }
  const turns = [
    {
      text: 'First a file.',
      tools: [{ name: 'write', input: { file_path: notesOf(name), content: `${name}\nEND\n` } }],
    },
    {
      text: 'Then a command and an edit.',
      tools: [
        { name: 'bash', input: { command } },
        { name: 'edit', input: edit },
      ],
    },
    { text: 'All of it is done.' },
  ]
  return { name, text: `Work ${name} script: ${JSON.stringify({ turns })}` }
}

/** Posts a small task to the given server, after a loss to the one that runs on, and waits for its end. */
async function runTask(name: string, servers: readonly string[]): Promise<void> {
  const projectId = await createApi(stack.url, stack.token).createProject(name)
  projectIds.push(projectId)
  const path = `/api/workspace/${projectId}/events`
  const common = { baseUrl: stack.url, token: stack.token, random: createRandom(1), leavesAfterMs: null }
  viewers.push(new Viewer({ ...common, path, after: 0, onEvent: (event) => tracker.note(event) }))
  const work = smallWork(name)
  const accepted = await createApi(servers, stack.token).chat(projectId, { message: work.text, clientMessageId: name })
  ledger.posted.push({ projectId, work, accepted })
  tracker.expect(accepted.taskId)
  await until(() => tracker.isOver(accepted.taskId), TASK_LIMIT_MS, `task ${accepted.taskId} is over`)
}

function noteDeath(target: 'worker' | 'server', inFlight = 1): void {
  const at = Date.now()
  struck.push({ at, endsAt: at, fault: { kind: 'signal', target, signal: 'SIGKILL' }, inFlight })
}

const nameOf = (point: string): string => point.replaceAll(/[._]/g, '-')

describe('a process that dies between two steps', () => {
  test.each(GROUPS.map((points) => [points.join(', '), points] as const))(
    'worker, %s: others go on',
    async (_, points) => {
      const workers = await Promise.all(
        points.map((point) => stack.addWorker(nameOf(point), { KEELSON_CRASH_POINT: point })),
      )
      const waiting = () => workers.filter(({ endings }) => endings.length === 0)
      try {
        // Whichever worker gets a task's next step: after enough tasks each of them has come to its instant.
        for (let round = 1; waiting().length > 0 && round <= MAX_ROUNDS; round++) {
          const names = points.map((point) => `${nameOf(point)}-${round}`)
          await Promise.all(names.map((name) => runTask(name, [stack.url])))
        }
        expect(workers.map(({ name, endings }) => [name, endings])).toEqual(
          workers.map(({ name }) => [name, ['SIGKILL']]),
        )
      } finally {
        for (const _worker of workers) noteDeath('worker', points.length)
        await Promise.all(workers.map((worker) => worker.stop()))
      }
    },
  )

  describe('server', () => {
    let worker: OwnPart

    beforeAll(async () => {
      worker = await stack.addWorker('worker-for-servers')
    })

    afterAll(() => worker.stop())

    test.each(IN_SERVER)('%s: the message is answered once', async (point) => {
      const server = await stack.addServer(nameOf(point), { KEELSON_CRASH_POINT: point })
      try {
        // Another server may be quicker: after enough messages this one has come to its instant.
        for (let round = 1; server.endings.length === 0 && round <= MAX_ROUNDS; round++) {
          await runTask(`${nameOf(point)}-${round}`, [server.url, stack.url])
        }
        expect(server.endings).toEqual(['SIGKILL'])
        noteDeath('server')
      } finally {
        await server.stop()
      }
    })
  })

  test('has lost nothing and done nothing twice', async () => {
    const rows = await stack.query<{ id: string; last_seq: number }>('SELECT id, last_seq FROM projects')
    const last = new Map(rows.map((row) => [`/api/workspace/${row.id}/events`, row.last_seq]))
    await until(() => viewers.every(({ path, cursor }) => cursor >= (last.get(path) ?? 0)), 10_000, 'viewers are there')
    await untilSent(stack)
    const { violations, figures } = await judge({ stack, ledger, projectIds, viewers, struck })
    expect(violations).toEqual([])
    expect(figures).toMatchObject({
      messages: ledger.posted.length,
      tasks: { completed: ledger.posted.length },
      commands: ledger.posted.length,
      edits: 2 * ledger.posted.length,
      lostCommands: 0,
    })
  })
})

publicationCrashSuite(bench)
