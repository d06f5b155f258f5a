import { expect, test } from 'vitest'
import { toSandboxError } from '../../../../src/sandbox/e2b/failures.ts'

class SdkError extends Error {
  readonly statusCode: number | undefined

  constructor(name: string, message: string, statusCode?: number) {
    super(message)
    this.name = name
    this.statusCode = statusCode
  }
}

test('each error of the SDK has one code of ours, and only three of them retry', () => {
  const errors = [
    new SdkError('AuthenticationError', 'no'),
    new SdkError('SandboxNotFoundError', 'no'),
    new SdkError('RateLimitError', 'no'),
    new SdkError('ServiceBusyError', 'no'),
    new SdkError('TimeoutError', 'no'),
    new SdkError('NotEnoughSpaceError', 'no'),
    new SdkError('InvalidArgumentError', 'no'),
    new SdkError('TemplateError', 'no'),
    new SdkError('SandboxError', 'no', 403),
    new SdkError('SandboxError', 'no', 400),
    new SdkError('SandboxError', 'no', 500),
    new TypeError('fetch failed'),
  ]
  expect(errors.map((error) => toSandboxError(error)).map(({ code, retryable }) => [code, retryable])).toEqual([
    ['sandbox_auth_failed', false],
    ['sandbox_gone', false],
    ['sandbox_rate_limited', true],
    ['sandbox_busy', true],
    ['sandbox_unreachable', true],
    ['sandbox_bad_request', false],
    ['sandbox_bad_request', false],
    ['sandbox_unavailable', false],
    ['sandbox_auth_failed', false],
    ['sandbox_unavailable', false],
    ['sandbox_unreachable', true],
    ['sandbox_unreachable', true],
  ])
})

test('a key in an error’s text never gets out, nor does the error itself', () => {
  const error = toSandboxError(new SdkError('SandboxError', 'header X-API-KEY e2b_0123456789abcdef was odd', 500))
  expect([error.message, error.cause]).toEqual(['E2B cannot be reached: header X-API-KEY [hidden] was odd', undefined])
})
