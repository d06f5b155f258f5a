import { AppError } from '../../shared/errors.ts'

/**
 * The error for a source that cannot come in as it is, so that somebody has to change it or name another one:
 * `project_source_failed`, final, whose `details` name the field `source`; over HTTP it is 400. `message` names the limit and
 * the way out. Pure.
 */
export function refusedSource(message: string, cause?: unknown): AppError {
  return new AppError('project_source_failed', message, { cause, details: { source: message } })
}
