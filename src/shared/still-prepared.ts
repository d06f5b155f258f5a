import { AppError } from './errors.ts'

/** What somebody is told whose patience ends while another request, task or process brings a project's files in. */
export function stillPrepared(): AppError {
  return new AppError('sandbox_busy', 'The project’s files are still being brought in. Try again in a moment.', {
    retryAfterMs: 2_000,
  })
}
