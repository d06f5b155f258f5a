import { AppError } from '../shared/errors.ts'
import { relativePath } from './local-bwrap/confined.ts'
import { checkName } from './local-bwrap/layout.ts'
import { MAX_STDIN_BYTES, type StartMessage } from './local-bwrap/protocol.ts'
import type { ExecSpec } from './types.ts'

const MAX_ARGV_BYTES = 120_000
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** Checks everything a caller says about a command, the same for every provider. Throws `sandbox_bad_request`. Pure. */
export function checkExecSpec(spec: ExecSpec, place: { root: string; maxTimeoutMs: number }): StartMessage {
  const refuse = (message: string): never => {
    throw new AppError('sandbox_bad_request', message)
  }
  const argv = 'sh' in spec.argv ? ['bash', '-c', spec.argv.sh] : [...spec.argv]
  if (argv.length === 0 || argv[0] === '') refuse('a command needs a program')
  const env = spec.env ?? {}
  const words = [...argv, ...Object.values(env)]
  if (words.some((word) => word.includes('\0'))) refuse('a command cannot hold a NUL character')
  // The kernel takes 128 KiB for one argument.
  if (words.some((word) => Buffer.byteLength(word) > MAX_ARGV_BYTES)) refuse('an argument is too long')
  if (!Object.keys(env).every((name) => ENV_NAME.test(name))) refuse('a variable has a malformed name')
  if (!(spec.timeoutMs > 0 && spec.timeoutMs <= place.maxTimeoutMs)) {
    refuse(`timeoutMs must be between 1 and ${place.maxTimeoutMs}`)
  }
  const { stdin } = spec
  if (stdin instanceof Uint8Array && stdin.length > MAX_STDIN_BYTES) refuse('the input is too long')
  return {
    execId: checkName('execId', spec.execId),
    taskId: checkName('taskId', spec.taskId),
    argv,
    cwd: relativePath(spec.cwd ?? '', place.root),
    env,
    stdin: stdin instanceof Uint8Array ? Buffer.from(stdin).toString('base64') : null,
    stdinOpen: stdin === 'open',
    timeoutMs: Math.ceil(spec.timeoutMs),
    idleTimeoutMs: Math.max(0, Math.ceil(spec.idleTimeoutMs ?? 0)),
    network: spec.network ?? false,
    ...(spec.door === undefined ? {} : { door: checkName('door', spec.door) }),
  }
}
