import { spawn } from 'node:child_process'
import { launcherArgv } from './launcher.ts'

/** What a project holds on the disk. */
export interface DiskUse {
  /** Bytes of all given directories, hard links once. */
  readonly sizeBytes: number
  /** Names in the first of them: each link of a file counts. */
  readonly names: number
}

/** What cannot be counted in this time is too much, whatever it is. */
const MAX_MEASURE_MS = 30_000
const MAX_ANSWER_BYTES = 4_096

/**
 * Looks into every directory whatever its mode: inside of its own user namespace the user is root over its own files. The
 * runner, or a command, may have locked one.
 */
const SEE_ALL = '--unshare-user --uid 0 --gid 0 --cap-add CAP_DAC_READ_SEARCH --die-with-parent --ro-bind / / --'.split(
  ' ',
)

/**
 * Measures in a child process, since a project chooses how long it takes: however many, long, deep or locked the names are,
 * the caller's work is one short line. `directories` that are missing count nothing. Null when it did not end within 30 s or
 * gave no figure: the project then counts as too large. Safe to repeat.
 */
export async function measureDisk(
  directories: readonly [workspace: string, ...others: string[]],
  bwrapPath: string | null,
): Promise<DiskUse | null> {
  const [workspace] = directories
  const wrap = bwrapPath === null ? [] : [bwrapPath, ...SEE_ALL]
  const [size, names] = await Promise.all([
    measureSize(directories, wrap),
    lastNumber([...wrap, 'du', '-s', '-l', '--inodes', '--total', '--', workspace]),
  ])
  return size === null || names === null ? null : { sizeBytes: size, names }
}

/** The bytes of all given directories, hard links once, measured in a child process as {@link measureDisk} does. */
export async function measureSize(
  directories: readonly string[],
  wrap: readonly string[] = [],
): Promise<number | null> {
  return await lastNumber([...wrap, 'du', '-s', '-B1', '--total', '--', ...directories])
}

/** The number that begins the last line a program prints. What vanished meanwhile makes it complain, and counts nothing. */
function lastNumber(argv: readonly string[]): Promise<number | null> {
  const [program = '', ...rest] = launcherArgv(argv, { cgroupFiles: [] })
  return new Promise((resolve) => {
    const child = spawn(program, rest, {
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: MAX_MEASURE_MS,
      killSignal: 'SIGKILL',
    })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('latin1')).slice(-MAX_ANSWER_BYTES)
    })
    child.on('error', () => resolve(null))
    child.on('close', (_code, signal) => {
      const number = /^(\d+)\t/.exec(text.trimEnd().split('\n').at(-1) ?? '')?.[1]
      resolve(signal !== null || number === undefined ? null : Number(number))
    })
  })
}
