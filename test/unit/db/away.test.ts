import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { createDb, type Db } from '../../../src/db/client.ts'
import { latestSeqs } from '../../../src/db/events.ts'
import { getProject } from '../../../src/db/projects.ts'

let server: Server
let db: Db

afterEach(async () => {
  await db.close()
  server.close()
})

/** Something that answers each connection as Postgres does while it starts, stops or is full. */
async function aPostgresThatRefuses(sqlState: string): Promise<string> {
  const fields = `SFATAL\0VFATAL\0C${sqlState}\0Mnot now\0\0`
  const message = Buffer.alloc(5 + fields.length)
  message.write('E')
  message.writeInt32BE(4 + fields.length, 1)
  message.write(fields, 5)
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
])('a query is refused as something to try again while Postgres says that %s', async (_, sqlState) => {
  const url = await aPostgresThatRefuses(sqlState)
  db = createDb({
    url,
    applicationName: 'test',
    poolSize: 1,
    onEvents: () => undefined,
    onConnectionError: () => undefined,
  })
  const away = { name: 'AppError', code: 'store_unavailable', retryable: true }
  await expect(getProject(db, 'prj_1')).rejects.toMatchObject(away)
  await expect(latestSeqs(db, ['prj_1'])).rejects.toMatchObject(away)
})
