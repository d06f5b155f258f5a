import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkStartMessage, parseRequest, type StartMessage } from '../../../src/sandbox/local-bwrap/protocol.ts'
import { AppError } from '../../../src/shared/errors.ts'

const spec: StartMessage = {
  execId: 'toolu_1',
  taskId: 'tsk_1',
  argv: ['bash', '-c', 'true'],
  cwd: 'src/deep dir',
  env: { A: 'x=y' },
  stdin: null,
  stdinOpen: false,
  timeoutMs: 1_000,
  idleTimeoutMs: 0,
  network: false,
}
const request = { id: 7, identity: 'abc', op: 'start', sandbox: 'prj_1/g0', spec }

/** The message that refuses it, or what it was taken for. */
function answerTo(value: unknown): unknown {
  try {
    return parseRequest(JSON.stringify(value))
  } catch (error) {
    return error instanceof AppError ? `${error.code} ${error.message}` : error
  }
}

describe('what a runner takes from its socket', () => {
  test('a request as clients make it is taken as it is', () => {
    expect(answerTo(request)).toEqual(request)
  })

  test('every wrong or unknown field is refused by its name', () => {
    const withSpec = (change: object) => answerTo({ ...request, spec: { ...spec, ...change } })
    const answers = {
      unknownOp: answerTo({ ...request, op: 'exec' }),
      unknownField: answerTo({ ...request, bwrapPath: null }),
      unknownSpecField: withSpec({ unsandboxed: true }),
      sandbox: ['../g0', 'a/b/g0', './g0', '../../etc/g1', 'prj/g-1', 7].map((sandbox) =>
        String(answerTo({ ...request, sandbox })).startsWith('sandbox_bad_request sandbox: '),
      ),
      execId: withSpec({ execId: '..' }),
      nulInEnv: withSpec({ env: { A: 'x\0--bind\0/tmp\0/run' } }),
      nulInArgv: withSpec({ argv: ['a\0b'] }),
      nulInCwd: withSpec({ cwd: 'a\0b' }),
      envName: withSpec({ env: { 'A=B': 'x' } }),
      cwd: ['..', 'a/../../b', '/etc', 'a//b', './a'].map((cwd) => String(withSpec({ cwd })).includes('spec.cwd: ')),
      argvType: withSpec({ argv: 'ls' }),
      noArgv: withSpec({ argv: [] }),
      emptyProgram: withSpec({ argv: [''] }),
      stdin: withSpec({ stdin: 'not base64!' }),
      timeout: withSpec({ timeoutMs: '5' }),
      door: withSpec({ door: '../other' }),
      cursor: answerTo({ ...request, op: 'wait', spec: undefined, execId: 'a', cursor: -1, waitMs: 1 }),
    }
    const name = 'must be 1 to 128 characters of A-Z a-z 0-9 _ . -'
    expect(answers).toMatchObject({
      unknownOp: expect.stringContaining('sandbox_bad_request op: '),
      unknownField: expect.stringContaining('bwrapPath'),
      unknownSpecField: expect.stringContaining('unsandboxed'),
      sandbox: Array(6).fill(true),
      execId: `sandbox_bad_request spec.execId: ${name}`,
      nulInEnv: 'sandbox_bad_request spec.env.A: cannot hold a NUL character',
      nulInArgv: 'sandbox_bad_request spec.argv.0: cannot hold a NUL character',
      nulInCwd: expect.stringContaining('spec.cwd: '),
      envName: expect.stringContaining('spec.env'),
      cwd: Array(5).fill(true),
      argvType: expect.stringContaining('spec.argv: '),
      noArgv: 'sandbox_bad_request spec.argv: a command needs a program',
      emptyProgram: 'sandbox_bad_request spec.argv: a command needs a program',
      stdin: 'sandbox_bad_request spec.stdin: must be base64',
      timeout: expect.stringContaining('spec.timeoutMs: '),
      door: `sandbox_bad_request spec.door: ${name}`,
      cursor: expect.stringContaining('cursor: '),
    })
  })

  test('sizes are bounded: words, their sum, their number, the input', () => {
    const refused = [
      { argv: ['x'.repeat(120_001)] },
      { argv: Array(20).fill('x'.repeat(100_000)) },
      { argv: Array(10_001).fill('x') },
      { env: Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`A${i}`, ''])) },
      { stdin: 'A'.repeat(12 * 1024 * 1024) },
      { timeoutMs: 600_001 },
    ].map((change) => {
      try {
        checkStartMessage({ ...spec, ...change }, 600_000)
        return 'taken'
      } catch (error) {
        return error instanceof AppError ? error.code : String(error)
      }
    })
    expect(refused).toEqual(Array(6).fill('sandbox_bad_request'))
  })

  test('whatever comes in is taken, refused or no request; nothing else is thrown', () => {
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.anything().map((value) => JSON.stringify({ ...request, spec: value }) ?? ''),
      fc
        .dictionary(fc.constantFrom('id', 'op', 'identity', 'sandbox', 'spec'), fc.jsonValue())
        .map((v) => JSON.stringify(v)),
    )
    fc.assert(
      fc.property(anything, (line) => {
        try {
          parseRequest(line)
        } catch (error) {
          expect(error).toMatchObject({ code: 'sandbox_bad_request' })
        }
      }),
    )
  })
})
