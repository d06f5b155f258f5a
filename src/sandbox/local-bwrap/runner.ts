/**
 * The runner process: parent of every command of one base directory on this host. It is started detached by whichever
 * worker needs it first and outlives all of them, so that a worker's death neither stops nor repeats a command. Its argv
 * is one JSON object, see {@link RunnerArgs}; it reads no environment and writes nothing but its files and its socket.
 *
 * 1. One runner per base directory: the abstract lock socket decides, the loser ends at once.
 * 2. The truth about a command is in its files; a worker that cannot reach the socket reads them.
 * 3. It ends by itself when nothing runs and nobody is connected for `idleMs`, or when its base directory is gone.
 */

import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { type CommandTable, createCommandTable, type RunnerOptions } from './command-table.ts'
import { identify } from './identity.ts'
import { checkSocketDirectory, runnerSocketPath, sandboxPaths } from './layout.ts'
import { serveClient } from './runner-connection.ts'
import { lockName, sweepJobs } from './runner-state.ts'

export interface RunnerArgs extends RunnerOptions {
  readonly idleMs: number
}

const args = JSON.parse(process.argv[2] ?? '') as RunnerArgs
/** Told to whoever waits for this runner in its log file. */
const EXIT_LOCKED = 3

function listen(server: Server, address: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(address, () => resolve(true))
  })
}

function sweep(): void {
  const projects = path.join(args.dir, 'projects')
  if (!existsSync(projects)) return
  for (const projectId of readdirSync(projects)) {
    for (const generation of readdirSync(path.join(projects, projectId))) {
      const { jobs } = sandboxPaths(args.dir, `${projectId}/${generation}`)
      if (existsSync(jobs)) sweepJobs(jobs)
    }
  }
}

async function serve(table: CommandTable): Promise<void> {
  const clients = new Set<Socket>()
  const socketPath = runnerSocketPath(args.dir)
  let lastBusyAt = Date.now()
  let isEnding = false

  const end = async () => {
    if (isEnding) return
    isEnding = true
    server.close()
    // Whoever asks now is told to ask the next runner.
    for (const client of clients) client.destroy()
    rmSync(socketPath, { force: true })
    // The private directory of a socket whose own place would be too long; the lock is still ours.
    if (path.dirname(socketPath) !== args.dir) rmSync(path.dirname(socketPath), { recursive: true, force: true })
    await table.killAll(null, null)
    table.close()
    process.exit(0)
  }
  const fail = (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exit(1)
  }
  const server = createServer((socket) => {
    clients.add(socket)
    lastBusyAt = Date.now()
    const onLeave = () => {
      // The one who asks is still connected.
      if (table.size === 0 && clients.size <= 1) end().catch(fail)
    }
    serveClient(socket, table, onLeave)
    socket.on('close', () => clients.delete(socket))
  })
  mkdirSync(path.dirname(socketPath), { recursive: true, mode: 0o700 })
  checkSocketDirectory(socketPath)
  rmSync(socketPath, { force: true })
  process.umask(0o077)
  if (!(await listen(server, socketPath))) throw new Error(`cannot listen on ${socketPath}`)
  chmodSync(socketPath, 0o600)
  writeIdentity()

  setInterval(
    () => {
      if (table.size > 0 || clients.size > 0) lastBusyAt = Date.now()
      if (Date.now() - lastBusyAt >= args.idleMs || !existsSync(args.dir)) end().catch(fail)
    },
    Math.min(1_000, args.idleMs),
  )
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end().catch(fail))
  // The terminal or the log of the worker that started it may go; that must not end anybody's command.
  process.on('SIGHUP', () => undefined)
}

/** Lets whoever stops a whole instance find this process: `runner.json`, {pid, start}. */
function writeIdentity(): void {
  const self = identify(process.pid)
  if (self === null) return
  const file = path.join(args.dir, 'runner.json')
  writeFileSync(`${file}.new`, JSON.stringify({ pid: self.pid, start: `${self.bootId}/${self.startTicks}` }))
  renameSync(`${file}.new`, file)
}

const lock = createServer((socket) => socket.destroy())
if (await listen(lock, lockName(args.dir))) {
  sweep()
  await serve(createCommandTable(args))
} else {
  process.exit(EXIT_LOCKED)
}
