import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { launcherArgv } from './launcher.ts'
import { segmentsArgv } from './shared-segments.ts'

const MAX_MEASURE_MS = 5_000
const MAX_ANSWER_BYTES = 1_024
const PAGE_BYTES = 4096

/**
 * Sums the memory files (memfd) that processes of a namespace hold open, each once, and names the largest; then sums the
 * descriptors that wait in sockets, sent and not yet received, counts pipes, each once, and sums page tables in KiB. `$1` is the
 * namespace's /proc. The status of `find` is not asked: processes end while it looks. What follows `$1` counts what System V
 * holds; a line that is missing is what it could not.
 */
const SCRIPT = [
  [
    'find "$1"/[0-9]*/fd -maxdepth 1 -type l -lname "/memfd:*" -print0 2>/dev/null',
    'xargs -0 -r stat -L -c "%d:%i %b" 2>/dev/null',
    'sort -u',
    `awk '{ sum += $2; if ($2 > most) most = $2 } END { printf "%.0f %.0f\\n", sum * 512, most * 512 }'`,
  ].join(' | '),
  [
    'find "$1"/[0-9]*/fd -maxdepth 1 -type l -lname "socket:*" -print0 2>/dev/null',
    'sed -z "s,/fd/,/fdinfo/,"',
    'xargs -0 -r grep -hE "^(ino|scm_fds):" 2>/dev/null',
    // A socket that several processes hold is one.
    `awk '/^ino/ { ino = $2 } /^scm_fds/ && !seen[ino]++ { sum += $2 } END { printf "%.0f\\n", sum }'`,
  ].join(' | '),
  `find "$1"/[0-9]*/fd -maxdepth 1 -type l -lname "pipe:*" -printf "%l\\n" 2>/dev/null | sort -u | wc -l`,
  `cat "$1"/[0-9]*/status 2>/dev/null | awk '/^VmPTE/ { sum += $2 } END { printf "%.0f\\n", sum }'`,
  'shift',
  '[ $# = 0 ] || "$@" 2>/dev/null',
].join('; ')

/** What a sandbox holds in memory that is no process's own, as far as it can be seen. */
export interface MemoryFiles {
  readonly sizeBytes: number
  readonly largestBytes: number
  /** Descriptors that were sent through a socket and not received: they may be memory files that nobody else has open. */
  readonly sentDescriptors: number
  /** The most that its pipes can hold unread. */
  readonly pipeBytes: number
  readonly pageTableBytes: number
  /** Bytes that System V holds for it: shared memory, messages, semaphores; 0 when nobody wants it counted, null when it could not be. */
  readonly segmentBytes: number | null
}

/**
 * The memory files without a name that the processes of a sandbox hold, which need not be mapped, and what the kernel keeps
 * for them in pipes and page tables: no process's own figures show these. Measured in a child process, since a command chooses how many descriptors there are. Null when that
 * did not end within 5 s. `withSegments`: what System V holds is counted too. Safe to repeat.
 */
export function measureMemoryFiles(firstPid: number, withSegments: boolean): Promise<MemoryFiles | null> {
  const segments = withSegments ? segmentsArgv(firstPid) : []
  const script = ['/bin/sh', '-c', SCRIPT, 'sh', `/proc/${firstPid}/root/proc`, ...segments]
  const [program = '', ...argv] = launcherArgv(script, { cgroupFiles: [] })
  return new Promise((resolve) => {
    // A group of its own: the parts of the pipe end with it.
    const child = spawn(program, argv, {
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
    })
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // ESRCH: it has ended in between.
      }
    }, MAX_MEASURE_MS)
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      if (text.length < MAX_ANSWER_BYTES) text += chunk.toString('latin1')
    })
    child.on('error', () => resolve(null))
    child.on('close', () => {
      clearTimeout(timer)
      const [sizeBytes = 0, largestBytes = 0, sentDescriptors = 0, pipes = 0, tablesKib = 0, counted] = text
        .trim()
        .split(/\s+/)
        .map((each) => Number(each) || 0)
      const segmentBytes = withSegments ? (counted ?? null) : 0
      const pageTableBytes = tablesKib * 1024
      const found = { sizeBytes, largestBytes, sentDescriptors, pipeBytes: mostIn(pipes), pageTableBytes, segmentBytes }
      resolve(isLate ? null : found)
    })
  })
}

/**
 * The most that so many pipes hold: as much as their user may have in pipes at full size, then two pages each. Where the host
 * sets no such bound, each may have its full size.
 */
function mostIn(pipes: number): number {
  const setting = (name: string): number => Number(readFileSync(`/proc/sys/fs/${name}`, 'latin1'))
  const full = pipes * setting('pipe-max-size')
  const shared = setting('pipe-user-pages-soft') * PAGE_BYTES
  return shared === 0 ? full : Math.min(full, shared) + pipes * 2 * PAGE_BYTES
}
