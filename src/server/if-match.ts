import type { Context } from 'hono'
import { AppError } from '../shared/errors.ts'

/**
 * The version in `If-Match: "3"`, as the ETag of the GET gives it; the quotes are optional. Throws
 * `precondition_required` without one, `bad_request` for what is no version.
 */
export function matchedVersion(c: Context): number {
  const given = c.req.header('if-match')?.trim()
  if (given === undefined || given === '') {
    throw new AppError('precondition_required', 'Send If-Match with the version that your changes are based on.', {
      details: { 'if-match': 'is missing' },
    })
  }
  const version = /^(?:W\/)?"?(\d{1,9})"?$/.exec(given)?.[1]
  if (version === undefined) {
    throw new AppError('bad_request', 'if-match: must be a version, as the ETag of the GET gives it', {
      details: { 'if-match': 'must be a version' },
    })
  }
  return Number(version)
}
