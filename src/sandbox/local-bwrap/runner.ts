/**
 * The runner process: parent of every command of one base directory on this host. It is started detached by whichever
 * worker needs it first and outlives all of them, so that a worker's death neither stops nor repeats a command. Its argv
 * is one JSON object, see {@link RunnerArgs}; it reads no environment and writes nothing but its files and its socket.
 *
 * 1. One runner per base directory and identity (kind, limits, code): the abstract lock socket decides, the loser ends at
 *    once. A runner of another identity finishes its commands; nobody sends it new ones, and it ends when it is idle.
 * 2. The truth about a command is in its files; a worker that cannot reach the socket reads them.
 * 3. It ends by itself when nothing runs and nobody is connected for `idleMs`, or when its base directory was emptied.
 * 4. Started by root it becomes the user of commands before it opens anything, without a way back.
 */

import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import path from 'node:path'
import { type Cgroups, openCgroups } from './cgroup.ts'
import { type CommandTable, createCommandTable } from './command-table.ts'
import { dropRights } from './drop-rights.ts'
import { checkSocketDirectory, runnerSocketPath, sandboxPaths } from './layout.ts'
import type { RunnerArgs } from './runner-args.ts'
import { serveClient } from './runner-connection.ts'
import { forgetRunner, livingRunners, runnerIdentity, sweepFifos, writeRunner } from './runner-identity.ts'
import { lockFile, lockName, sweepJobs } from './runner-state.ts'

const args = JSON.parse(process.argv[2] ?? '') as RunnerArgs
const identity = runnerIdentity(args)
/** More workers than this at once are an attack or a fault. */
const MAX_CLIENTS = 1_000
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
  sweepFifos(args.dir, identity)
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
  const { socketPath } = args
  let lastBusyAt = Date.now()
  let isEnding = false

  const end = async () => {
    if (isEnding) return
    isEnding = true
    server.close()
    // Whoever asks now is told to ask the next runner.
    for (const client of clients) client.destroy()
    rmSync(socketPath, { force: true })
    forgetRunner(args.dir, identity)
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
    if (clients.size >= MAX_CLIENTS) {
      socket.destroy()
      return
    }
    clients.add(socket)
    lastBusyAt = Date.now()
    const onLeave = () => {
      // The one who asks is still connected.
      if (table.size === 0 && clients.size <= 1) end().catch(fail)
    }
    serveClient(socket, { table, identity, onLeave })
    socket.on('close', () => clients.delete(socket))
  })
  mkdirSync(path.dirname(socketPath), { recursive: true, mode: 0o700 })
  checkSocketDirectory(socketPath, process.getuid?.() ?? 0)
  rmSync(socketPath, { force: true })
  process.umask(0o077)
  if (!(await listen(server, socketPath))) throw new Error(`cannot listen on ${socketPath}`)
  chmodSync(socketPath, 0o600)
  writeRunner(args.dir, identity)
  askOthersToLeave()

  setInterval(
    () => {
      if (table.size > 0 || clients.size > 0) lastBusyAt = Date.now()
      if (Date.now() - lastBusyAt >= args.idleMs || !existsSync(lockFile(args.dir))) end().catch(fail)
    },
    Math.min(1_000, args.idleMs),
  )
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void end().catch(fail))
  // The terminal or the log of the worker that started it may go; that must not end anybody's command.
  process.on('SIGHUP', () => undefined)
}

/** An idle runner of other settings or of an earlier version ends at once; a busy one when it has finished. */
function askOthersToLeave(): void {
  for (const other of livingRunners(args.dir)) {
    if (other.identity === identity) continue
    const address =
      other.identity === null ? path.join(args.dir, 'runner.sock') : runnerSocketPath(args.dir, other.identity)
    const socket = connect(address, () => socket.end(`${JSON.stringify({ id: 0, op: 'leave' })}\n`))
    socket.on('error', () => undefined) // it has ended in between
    socket.unref()
  }
}

/** Found while this process may still be root's; null: there is none, or the options want none. */
function cgroupsFor({ dir, keeper, user }: RunnerArgs): Cgroups | null {
  if (keeper === 'watchdog') return null
  return openCgroups({ dir, identity, ...(user && { owner: user }), ...(keeper && { only: keeper }) })
}

const cgroups = cgroupsFor(args)
// All code is loaded and nothing is open yet. Without a sandbox commands are whoever started the worker, also root.
if (args.kind !== 'unsafe-host') dropRights(args.user)
const lock = createServer((socket) => socket.destroy())
if (await listen(lock, lockName(args.dir, identity))) {
  await cgroups?.sweep()
  sweep()
  await serve(createCommandTable({ ...args, identity, cgroups }))
} else {
  process.exit(EXIT_LOCKED)
}
