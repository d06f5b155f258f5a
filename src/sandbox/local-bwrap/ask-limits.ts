/**
 * Asks whether memory and processes are really limited here: with a cgroup, by going beyond limits that are set low for
 * that; without one, by looking at a sandbox as the watchdog does and finding what is in it.
 */

import type { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'
import type { Cgroups, CommandCgroup } from './cgroup.ts'
import { measureMemoryFiles } from './memory-files.ts'
import { measureTree } from './process-tree.ts'

const MIB = 1024 * 1024
/** Room for a shell and its tools, and no more. */
const LOW_LIMITS = { memoryBytes: 64 * MIB, maxProcesses: 40 }
const TOO_MANY = 60
const TOO_MUCH_BYTES = 96 * MIB
const SEEN_PROCESSES = 20
const SEEN_BYTES = 48 * MIB
const MAX_OUTPUT_BYTES = 64 * 1024

/** `tail` of a pipe keeps all of it. */
const TAKE_MEMORY = `echo begun; head -c ${TOO_MUCH_BYTES} /dev/zero | tail -c ${TOO_MUCH_BYTES} | wc -c; :`
const TAKE_PROCESSES = `echo begun
( i=0; while [ $i -lt ${TOO_MANY} ]; do sleep 5 & i=$((i + 1)); done; echo unbounded ) 2>/dev/null
:`
const BE_SEEN = `head -c ${SEEN_BYTES} /dev/zero >/tmp/fill
i=0; while [ $i -lt ${SEEN_PROCESSES} ]; do sleep 30 & i=$((i + 1)); done
echo begun; wait`

/** A command of the question. */
export interface AskedCommand {
  /** Its exit code once its output is complete, 1 when a signal ended it. Rejects when it could not be started. */
  readonly ended: Promise<number>
  /** What it has printed so far, at most 64 KiB. */
  output(): string
  /** Settles when it has printed a whole line or has ended. */
  readonly begun: Promise<void>
  /** The first process of its namespace; 0 until bwrap has told it. */
  firstPid(): number
  end(): void
}

/** Reads what a bwrap that was just started prints, and what it tells on descriptor 3. */
export function followCommand(child: ChildProcess): AskedCommand {
  let output = ''
  let told = ''
  let noteBegin: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    noteBegin = resolve
  })
  child.stdout?.on('data', (chunk: Buffer) => {
    if (output.length < MAX_OUTPUT_BYTES) output += chunk.toString('latin1')
    if (output.includes('\n')) noteBegin()
  })
  const status = child.stdio[3]
  if (status instanceof Socket) {
    status.on('error', () => undefined) // bwrap is gone: its end says the same
    status.on('data', (chunk: Buffer) => {
      if (told.length < MAX_OUTPUT_BYTES) told += chunk.toString('latin1')
    })
  }
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  }).finally(noteBegin)
  return {
    ended,
    output: () => output,
    begun,
    firstPid: () => Number(/"child-pid": (\d+)/.exec(told)?.[1] ?? 0),
    end: () => void child.kill('SIGKILL'),
  }
}

/** How a command is started for a question, and whether the kernel lets us sum up its shared memory. */
export interface AskLimitsOptions {
  start(argv: readonly string[], cgroup?: CommandCgroup): AskedCommand
  readonly countsSegments: boolean
}

/**
 * Facts, one a line: `keeper …`, `memory kept` and `processes kept` where they are. Takes a few tenths of a second. Rejects
 * when no command can be started.
 */
export async function askLimits(cgroups: Cgroups | null, options: AskLimitsOptions): Promise<string[]> {
  if (cgroups === null) return ['keeper watchdog', ...(await askWatchdog(options))]
  const goesBeyond = async (script: string, unbounded: string): Promise<boolean> => {
    const cgroup = cgroups.make(LOW_LIMITS)
    try {
      const command = options.start(['/bin/sh', '-c', script], cgroup)
      await command.ended
      const lines = command.output().split('\n')
      // One that never began shows nothing.
      return !lines.includes('begun') || lines.includes(unbounded)
    } finally {
      await cgroup.remove()
    }
  }
  const facts = [`keeper ${cgroups.keeper}`]
  if (!(await goesBeyond(TAKE_MEMORY, String(TOO_MUCH_BYTES)))) facts.push('memory kept')
  if (!(await goesBeyond(TAKE_PROCESSES, 'unbounded'))) facts.push('processes kept')
  return facts
}

async function askWatchdog({ start, countsSegments }: AskLimitsOptions): Promise<string[]> {
  const command = start(['/bin/sh', '-c', BE_SEEN])
  try {
    await command.begun
    const pid = command.firstPid()
    // As it is asked about commands that are near their limit: shared memory shared out.
    const use = pid === 0 ? null : measureTree(pid, Number.MAX_SAFE_INTEGER, 0)
    const files = pid === 0 ? null : await measureMemoryFiles(pid, countsSegments)
    const seesMemory = use !== null && use.memoryBytes >= SEEN_BYTES && files !== null && files.segmentBytes !== null
    return [
      ...(seesMemory ? ['memory kept'] : []),
      ...(use !== null && use.processes >= SEEN_PROCESSES ? ['processes kept'] : []),
      `segments ${countsSegments ? 'counted' : 'small'}`,
    ]
  } finally {
    command.end()
    await command.ended
  }
}
