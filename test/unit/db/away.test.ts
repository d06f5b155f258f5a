import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createDb, type Db } from '../../../src/db/client.ts'
import { listMessages } from '../../../src/db/project/conversations.ts'
import { withSandboxLock } from '../../../src/db/project/project-lock.ts'
import { getProject } from '../../../src/db/project/projects.ts'
import { listRounds } from '../../../src/db/review/reviews.ts'
import { latestSeqs } from '../../../src/db/stream/events.ts'
import { requestCancel, requestsOf } from '../../../src/db/task/lifecycle.ts'
import { takeOutbox } from '../../../src/db/task/outbox.ts'
import { raiseBudget, requestContext } from '../../../src/db/task/requests.ts'
import { inProject } from '../../../src/db/transaction.ts'
import { readTurns, unfinishedCalls } from '../../../src/db/turn/turns.ts'
import { listCheckpoints } from '../../../src/db/workspace/checkpoints.ts'
import { orphanedSandboxes } from '../../../src/db/workspace/sandboxes.ts'

let server: Server
let db: Db

afterEach(async () => {
  await db.close()
  server.close()
})

/** Something that answers each connection as Postgres does while it starts, stops or is full. */
async function aPostgresThatRefuses(sqlState: string): Promise<string> {
  return await aPostgresThatSays(fatal(sqlState))
}

/** The server's word that a connection is over. */
function fatal(sqlState: string): Buffer {
  const fields = `SFATAL\0VFATAL\0C${sqlState}\0Mnot now\0\0`
  const message = Buffer.alloc(5 + fields.length)
  message.write('E')
  message.writeInt32BE(4 + fields.length, 1)
  message.write(fields, 5)
  return message
}

async function aPostgresThatSays(message: Buffer): Promise<string> {
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end(message))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `postgresql://someone:secret@127.0.0.1:${(server.address() as AddressInfo).port}/keelson`
}

test.each([
  ['it is starting up', '57P03'],
  ['it is being stopped', '57P01'],
  ['all its connections are taken', '53300'],
  ['its disk is full', '53100'],
  ['its disk is broken', '58030'],
  ['it was closed for writing', '25006'],
])('a query is refused as something to try again while Postgres says that %s', async (_, sqlState) => {
  const url = await aPostgresThatRefuses(sqlState)
  db = createDb({
    url,
    applicationName: 'test',
    poolSize: 1,
    onEvents: () => undefined,
    onConnectionError: () => undefined,
  })
  const asked = await Promise.allSettled([
    getProject(db, 'prj_1'),
    latestSeqs(db, ['prj_1']),
    requestCancel(db, 'tsk_1', { by: 'user' }),
    requestsOf(db, 'tsk_1'),
    raiseBudget(db, 'tsk_1', { maxTurns: 1 }),
    requestContext(db, 'prj_1', 'user'),
    listMessages(db, 'cnv_1', { limit: 1 }),
    listRounds(db, 'tsk_1'),
    listCheckpoints(db, 'tsk_1'),
    readTurns(db, ['tsk_1'], 'coder'),
    unfinishedCalls(db, 'tsk_1'),
    takeOutbox(db, { limit: 1, holdMs: 1 }),
    orphanedSandboxes(db),
  ])
  const away = { name: 'AppError', code: 'store_unavailable', retryable: true }
  expect(asked).toMatchObject(asked.map(() => ({ status: 'rejected', reason: away })))
})

test('a Postgres that is stopped in the instant in which it takes a connection ends no process', async () => {
  // AuthenticationOk and ReadyForQuery, then the end, all in one piece: the pool hands the connection out in between.
  const ready = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49])
  const url = await aPostgresThatSays(Buffer.concat([ready, fatal('57P01')]))
  db = createDb({
    url,
    applicationName: 'test',
    poolSize: 1,
    onEvents: () => undefined,
    onConnectionError: () => undefined,
  })
  const asked = await Promise.allSettled([
    withSandboxLock(db, 'prj_1', () => Promise.resolve(), { waitMs: 1_000 }),
    inProject(db, 'prj_1', () => Promise.resolve()),
  ])
  expect(asked).toMatchObject(asked.map(() => ({ status: 'rejected', reason: { code: 'store_unavailable' } })))
})
