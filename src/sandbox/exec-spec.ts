import { AppError } from '../shared/errors.ts'
import { relativePath } from './local-bwrap/confined.ts'
import { checkStartMessage, MAX_STDIN_BYTES, type StartMessage } from './local-bwrap/protocol.ts'
import type { ExecSpec } from './types.ts'

/**
 * Checks everything a caller says about a command, the same for every provider, and turns it into what the runner takes.
 * Throws `sandbox_bad_request` with a sentence that names the field. Pure.
 */
export function checkExecSpec(spec: ExecSpec, place: { root: string; maxTimeoutMs: number }): StartMessage {
  const { stdin } = spec
  // Before it is copied into base64.
  if (stdin instanceof Uint8Array && stdin.length > MAX_STDIN_BYTES) {
    throw new AppError('sandbox_bad_request', `stdin: the input is longer than ${MAX_STDIN_BYTES} bytes`)
  }
  return checkStartMessage(
    {
      execId: spec.execId,
      taskId: spec.taskId,
      argv: 'sh' in spec.argv ? ['bash', '-c', spec.argv.sh] : [...spec.argv],
      cwd: relativePath(spec.cwd ?? '', place.root),
      env: { ...spec.env },
      stdin: stdin instanceof Uint8Array ? Buffer.from(stdin).toString('base64') : null,
      stdinOpen: stdin === 'open',
      timeoutMs: Math.ceil(spec.timeoutMs),
      idleTimeoutMs: Math.max(0, Math.ceil(spec.idleTimeoutMs ?? 0)),
      network: spec.network ?? false,
      ...(spec.door === undefined ? {} : { door: spec.door }),
      ...(spec.service ? { service: true } : {}),
      ...(spec.kept === undefined ? {} : { kept: spec.kept }),
    },
    place.maxTimeoutMs,
  )
}
