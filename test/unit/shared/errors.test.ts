import { describe, expect, test } from 'vitest'
import { AppError, ERRORS, type ErrorCode } from '../../../src/shared/errors.ts'

const codes = Object.keys(ERRORS) as ErrorCode[]

describe('the table of errors', () => {
  test('codes are snake_case, as they stand in answers', () => {
    expect(codes.filter((code) => !/^[a-z]+(_[a-z]+)*$/.test(code))).toEqual([])
  })

  test('whoever may try again is told so by the status, and nobody else', () => {
    const byStatus = codes.filter((code) => [429, 503].includes(ERRORS[code].httpStatus))
    const exception: ErrorCode = 'sandbox_unavailable'
    expect(byStatus.filter((code) => !ERRORS[code].retryable)).toEqual([exception])
    // A conflict that passes by itself, in moments.
    const passing: ErrorCode = 'restore_running'
    expect(codes.filter((code) => ERRORS[code].retryable && !byStatus.includes(code))).toEqual([passing])
  })

  test('a lost lease and a journal conflict end the attempt for good', () => {
    expect([ERRORS.lease_lost.retryable, ERRORS.journal_conflict.retryable]).toEqual([false, false])
  })
})

describe('AppError', () => {
  test('knows whether it may be retried from its code alone', () => {
    expect(codes.map((code) => new AppError(code, 'x').retryable)).toEqual(codes.map((code) => ERRORS[code].retryable))
  })

  test('keeps cause, details and the delay that the other side wished for', () => {
    const cause = new Error('socket')
    const error = new AppError('model_overloaded', 'Busy.', { cause, details: { field: 'x' }, retryAfterMs: 1_500 })
    expect({ ...error, message: error.message, cause: error.cause }).toEqual({
      name: 'AppError',
      code: 'model_overloaded',
      message: 'Busy.',
      details: { field: 'x' },
      retryAfterMs: 1_500,
      cause,
    })
  })
})
