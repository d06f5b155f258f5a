import { beforeAll, describe, expect, test } from 'vitest'
import type { Answer, ErrorAnswer } from '../../support/api.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'

export function badInputSuite(stack: TestStack): void {
  describe('bad input', () => {
    let projectId: string
    let foreignConversation: string

    beforeAll(async () => {
      projectId = await stack.api.newProject()
      foreignConversation = await stack.api.newConversation(await stack.api.newProject())
    })

    const JSON_TYPE = { 'content-type': 'application/json' }
    const send = (
      method: string,
      path: string,
      body?: string | Uint8Array,
      headers: Record<string, string> = JSON_TYPE,
    ) => stack.api.send<ErrorAnswer>(method, path, body, headers)
    const chatPath = (project = projectId) => `/api/workspace/${project}/claude/chat`
    const chat = (body: unknown) => () => send('POST', chatPath(), JSON.stringify(body))
    const raw = (body: string | Uint8Array, headers?: Record<string, string>) => () =>
      send('POST', chatPath(), body, headers)
    const project = (source: unknown) => () => send('POST', '/api/projects', JSON.stringify({ name: 'bad', source }))
    const get =
      (path: string, headers: Record<string, string> = {}) =>
      () =>
        send('GET', path, undefined, headers)

    type Case = readonly [
      name: string,
      call: () => Promise<Answer<ErrorAnswer>>,
      status: number,
      code: string,
      field?: string,
    ]

    /** Evaluated late: the ids of the fixtures are known only when the instance runs. */
    const CASES: readonly Case[] = [
      ['an empty message', chat({ message: '' }), 400, 'bad_request', 'message'],
      ['only white space', chat({ message: ' \n\t ' }), 400, 'bad_request', 'message'],
      ['100,001 characters', chat({ message: 'x'.repeat(100_001) }), 400, 'bad_request', 'message'],
      ['a NUL', chat({ message: 'a\0b' }), 400, 'bad_request', 'message'],
      ['half of a surrogate pair', chat({ message: 'a\ud800b' }), 400, 'bad_request', 'message'],
      ['no message', chat({}), 400, 'bad_request', 'message'],
      ['a message that is no text', chat({ message: 5 }), 400, 'bad_request', 'message'],
      ['a body that is no object', chat(['message']), 400, 'bad_request', 'body'],
      ['an unknown field', chat({ message: 'x', mesage: 'y' }), 400, 'bad_request', 'mesage'],
      ['an empty clientMessageId', chat({ message: 'x', clientMessageId: '' }), 400, 'bad_request', 'clientMessageId'],
      [
        'a clientMessageId of 129 characters',
        chat({ message: 'x', clientMessageId: 'i'.repeat(129) }),
        400,
        'bad_request',
        'clientMessageId',
      ],
      ['an unknown delivery', chat({ message: 'x', delivery: 'later' }), 400, 'bad_request', 'delivery'],
      ['an unknown model', chat({ message: 'x', model: 'gpt-nine' }), 400, 'bad_request', 'model'],
      ['a negative budget', chat({ message: 'x', budget: { maxUsd: -1 } }), 400, 'bad_request', 'budget.maxUsd'],
      ['an unknown budget', chat({ message: 'x', budget: { maxEuros: 1 } }), 400, 'bad_request', 'budget.maxEuros'],
      ['an unknown conversation', chat({ message: 'x', conversationId: 'cnv_unknown' }), 404, 'not_found'],
      [
        'a conversation of another project',
        () => send('POST', chatPath(), JSON.stringify({ message: 'x', conversationId: foreignConversation })),
        404,
        'not_found',
      ],
      ['an unknown project', () => send('POST', chatPath('prj_unknown'), '{"message":"x"}'), 404, 'not_found'],
      ['a body that is not JSON', raw('{"message":'), 400, 'invalid_json', 'body'],
      ['a body that is not UTF-8', raw(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])), 400, 'invalid_json', 'body'],
      ['another content type', raw('message=x', { 'content-type': 'text/plain' }), 415, 'unsupported_media_type'],
      ['no content type', raw(Buffer.from('{"message":"x"}'), {}), 415, 'unsupported_media_type'],
      ['2 MiB', chat({ message: 'x'.repeat(2 * 1024 * 1024) }), 413, 'body_too_large'],
      ['an empty body', raw(''), 400, 'bad_request', 'message'],
      ['another method', () => send('DELETE', chatPath()), 405, 'method_not_allowed'],
      ['a wrong token', get('/api/projects', { authorization: 'Bearer wrong' }), 401, 'unauthorized'],
      [
        'a foreign origin',
        raw('{"message":"x"}', { ...JSON_TYPE, origin: 'https://elsewhere.example' }),
        403,
        'forbidden_origin',
      ],
      ['an unknown path', get('/api/nothing'), 404, 'not_found'],
      ['an unknown task', get('/api/tasks/tsk_unknown'), 404, 'not_found'],
      ["an unknown task's stream", get('/api/tasks/tsk_unknown/events'), 404, 'not_found'],
      ['an impossible id', get('/api/tasks/%00'), 404, 'not_found'],
      ['cancelling an unknown task', () => send('POST', '/api/tasks/tsk_unknown/cancel', '{}'), 404, 'not_found'],
      ['messages of an unknown conversation', get('/api/conversations/cnv_unknown/messages'), 404, 'not_found'],
      [
        'an unknown topic',
        () => send('GET', `/api/workspace/${projectId}/events?topics=status,weather`),
        400,
        'bad_request',
        'topics',
      ],
      ['a project path outside', project({ kind: 'path', path: '/etc' }), 400, 'bad_request', 'source.path'],
      ['a git URL over http', project({ kind: 'git', url: 'http://x.example/a' }), 400, 'bad_request', 'source.url'],
      ['a git URL over ssh', project({ kind: 'git', url: 'git@x.example:a' }), 400, 'bad_request', 'source.url'],
      ['a git URL that is a path', project({ kind: 'git', url: 'file:///etc' }), 400, 'bad_request', 'source.url'],
      [
        'a git URL that is an option',
        project({ kind: 'git', url: '--upload-pack=x' }),
        400,
        'bad_request',
        'source.url',
      ],
      [
        'a git ref that is an option',
        project({ kind: 'git', url: 'https://x.example/a', ref: '-x' }),
        400,
        'bad_request',
        'source.ref',
      ],
      ['a file outside', project({ kind: 'files', files: { '../x': '' } }), 400, 'bad_request', 'source.files.../x'],
      ['an unknown source', project({ kind: 'ftp' }), 400, 'bad_request', 'source.kind'],
      [
        'a project without a name',
        () => send('POST', '/api/projects', '{"source":{"kind":"empty"}}'),
        400,
        'bad_request',
        'name',
      ],
    ]

    describe('what is wrong is refused in the one shape of errors, and stores nothing:', () => {
      test.for(CASES)('%s', async ([, call, status, code, field]) => {
        const before = await stack.rowCounts()
        const { body, ...answer } = await call()
        expect({
          status: answer.status,
          code: body.error?.code,
          field: field && Object.keys(body.error?.details ?? {}),
        }).toEqual({ status, code, field: field && expect.arrayContaining([field]) })
        expect(body).toEqual({
          error: expect.objectContaining({ code, message: expect.stringMatching(/./) }),
          requestId: expect.stringMatching(/^req_/),
        })
        expect({
          type: answer.headers.get('content-type'),
          id: answer.headers.get('x-request-id'),
          stack: / at .*:\d+:\d+/.test(JSON.stringify(body)),
          rows: await stack.rowCounts(),
        }).toEqual({
          type: expect.stringContaining('application/json'),
          id: body.requestId,
          stack: false,
          rows: before,
        })
      })
    })

    test('an unknown model is answered with the known ones', async () => {
      const { body } = await chat({ message: 'x', model: 'gpt-nine' })()
      expect(body.error.message).toContain('claude-haiku-4-5')
    })

    test('a message of exactly 100,000 characters outside the basic plane is taken', async () => {
      const own = await stack.api.newProject()
      const accepted = await stack.api.chat(own, { message: '🦉'.repeat(100_000) })
      expect((await stack.api.ended(accepted.taskId)).outcome).toBe('no_changes')
    })

    test('wrong tokens are limited, which never hinders the right one', async () => {
      const wrong = () => get('/api/projects', { authorization: 'Bearer wrong' })()
      const answers = await Promise.all(Array.from({ length: 30 }, wrong))
      const last = answers.at(-1)
      const right = await stack.api.call('GET', '/api/projects')
      expect({
        statuses: [...new Set(answers.map(({ status }) => status))].sort(),
        last: [last?.status, Number(last?.headers.get('retry-after')) > 0, last?.body.error.code],
        right: right.status,
      }).toEqual({ statuses: [401, 429], last: [429, true, 'rate_limited'], right: 200 })
    })

    test('files that lead outside, are huge or binary get a clear error or a flagged, capped answer', async () => {
      const { api } = stack
      const own = await api.newProject()
      const command = [
        'ln -s /etc/hostname out.txt',
        'ln -s /etc outdir',
        'head -c 20000000 /dev/zero | tr "\\0" a > huge.txt',
        'printf "a\\000b" > binary.bin',
      ].join('; ')
      const { taskId } = await api.chat(own, { message: scriptOf([running(command), { text: 'Made.' }]) })
      await api.ended(taskId)
      const read = (path: string) =>
        api.call<ErrorAnswer & { sizeBytes: number; content: string; truncated: boolean; binary: boolean }>(
          ...(['GET', `/api/workspace/${own}/files/content?path=${encodeURIComponent(path)}`] as const),
        )
      const refused = await Promise.all(
        ['out.txt', 'outdir/hostname', '../../etc/passwd', '/etc/passwd', 'outdir'].map(read),
      )
      const [missing, huge, binary] = await Promise.all(['missing.txt', 'huge.txt', 'binary.bin'].map(read))
      expect({
        refused: refused.map(({ status, body }) => [status, Object.keys(body).sort().join()]),
        missing: missing?.status,
        huge: [
          huge?.status,
          huge?.body.sizeBytes,
          huge?.body.truncated,
          (huge?.body.content.length ?? 0) <= 1024 * 1024,
        ],
        binary: [binary?.status, binary?.body],
      }).toEqual({
        refused: Array(5).fill([400, 'error,requestId']),
        missing: 404,
        huge: [200, 20_000_000, true, true],
        binary: [200, expect.objectContaining({ binary: true, encoding: 'base64', sizeBytes: 3, content: 'YQBi' })],
      })
    })
  })
}
