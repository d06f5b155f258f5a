import { readdirSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { makeClosedDirectory, makePrivateDirectory, startChild, waitUntilReady } from './child.mjs'
import { plainEnv } from './child-env.mjs'
import { freePort } from './ports.mjs'
import { keptSecret } from './secrets.mjs'
import { writeAtomically } from './write-atomically.mjs'

const READY_TIMEOUT_MS = 60_000

/** @typedef {import('./child.mjs').Child & { url: string, port: number }} RunningRedis */

/**
 * Starts Redis on the loopback interface, behind a password, and returns when it answers. It writes nothing to disk: all
 * that it holds is a copy of what Postgres has. Rejects with a StartError, leaving nothing running.
 *
 * @param {import('./postgres.mjs').StoreOptions & { binary: string }} options
 * @returns {Promise<RunningRedis>}
 */
export async function startRedis(options) {
  const directory = join(options.home, 'redis')
  makePrivateDirectory(options.home)
  makeClosedDirectory(directory)
  removeOldData(directory)
  const password = keptSecret(join(directory, 'password'))
  const port = options.port ?? (await freePort())
  const config = join(directory, 'redis.conf')
  writeAtomically(config, configText({ directory, port, password }))
  const child = await startChild({
    name: 'redis',
    command: options.binary,
    args: [config],
    env: plainEnv(options.env),
    cwd: directory,
    logFile: join(options.home, 'logs', 'redis.log'),
    ledger: options.ledger,
  })
  await waitUntilReady(child, () => answersPing(port, password), {
    timeoutMs: READY_TIMEOUT_MS,
    signal: options.signal,
  })
  return { ...child, url: `redis://:${password}@127.0.0.1:${port}/0`, port }
}

/**
 * Removes what earlier versions had Redis write down: texts of all projects, of deleted ones too.
 *
 * @param {string} directory
 */
function removeOldData(directory) {
  for (const name of readdirSync(directory)) {
    if (!/^(appendonlydir|appendonly\.aof|.*\.rdb)$/.test(name)) continue
    rmSync(join(directory, name), { recursive: true, force: true })
  }
}

/**
 * @param {{ directory: string, port: number, password: string }} values
 * @returns {string} the configuration; a file rather than arguments, which every user of the machine could read
 */
function configText(values) {
  return [
    'bind 127.0.0.1',
    `port ${values.port}`,
    'protected-mode yes',
    `requirepass ${values.password}`,
    `dir "${values.directory}"`,
    'daemonize no',
    'appendonly no',
    'save ""',
    'maxmemory-policy noeviction',
    'loglevel notice',
    '',
  ].join('\n')
}

/**
 * @param {number} port
 * @param {string} password
 * @returns {Promise<boolean>}
 */
function answersPing(port, password) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let answer = ''
    /** @param {boolean} ready */
    const end = (ready) => {
      socket.destroy()
      resolve(ready)
    }
    socket.setTimeout(2_000, () => end(false))
    socket.once('error', () => end(false))
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`))
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (answer === '+OK\r\n+PONG\r\n') end(true)
      else if (answer.includes('-')) end(false)
    })
    socket.once('close', () => end(false))
  })
}
