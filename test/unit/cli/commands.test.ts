import { describe, expect, test } from 'vitest'
import { type Api, ApiError } from '../../../src/cli/api.ts'
import { COMMANDS } from '../../../src/cli/command-line/command-table.ts'
import { isCommand, runCommand } from '../../../src/cli/commands.ts'
import { type Keyboard, runPrompt } from '../../../src/cli/interactive.ts'
import { chatUsage, parseOptions } from '../../../src/cli/options.ts'
import { createPrinter } from '../../../src/cli/printer.ts'
import type { Session } from '../../../src/cli/session.ts'
import type { Typed } from '../../../src/cli/terminal.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'

const TASK = {
  id: 'tsk_1',
  status: 'completed',
  model: 'claude-haiku-4-5',
  turn: 3,
  usage: { inputTokens: 1_234, outputTokens: 56, cacheReadTokens: 7, cacheWriteTokens: 8 },
  costUsd: 0.0123,
  budget: { maxUsd: 5 },
}
const DIFF = {
  stat: { files: 1, added: 1, removed: 1 },
  files: [{ path: 'a\u001b[2J.txt', kind: 'modify', added: 1, removed: 1, binary: false }],
  patch: 'diff --git a/a.txt b/a.txt\n@@ -1 +1 @@\n-old\n+new\u001b]0;title\u0007\n',
  truncated: true,
}
const ANSWERS: Readonly<Record<string, unknown>> = {
  'GET /api/workspace/p1/tasks?limit=1&order=newest': { items: [TASK] },
  'GET /api/workspace/p1/undo': { taskId: 'tsk_1' },
  'GET /api/tasks/tsk_1/diff': DIFF,
  'GET /api/tasks/tsk_1/diff?path=src%2Fa%20b': { ...DIFF, files: [], patch: '', truncated: false },
  'POST /api/tasks/tsk_1/undo': { checkpoint: { id: 'ckp_9' } },
  'GET /api/workspace/p1/context': {
    markdown: '# Hi\u001b[1m',
    hash: 'abcdef0123456789',
    generatedAt: 'now',
    tokens: 12,
  },
  'GET /api/workspace/p1/review-criteria': {
    version: 2,
    enabled: true,
    maxFixRounds: 2,
    criteria: [{ id: 'tests', text: 'New code\nhas tests', severity: 'blocking', enabled: false }],
    checks: [{ name: 'test', command: 'npm test' }],
  },
  'GET /api/tasks/tsk_1/evidence': {
    evidence: 'partly',
    gaps: [{ name: 'lint', reason: 'no such program' }],
    rows: [
      { kind: 'command', by: 'coder', command: 'npm\ntest', status: 'failed', exitCode: 1, durationMs: 1_234 },
      { kind: 'check', by: 'harness', name: 'lint', command: 'x', status: 'not_run', reason: 'no such program' },
    ],
    claims: [
      { text: 'Tests\u001b[2J pass.', mark: 'unproven', reason: 'No test ran in this task.' },
      { text: 'It builds.', mark: 'proven' },
    ],
  },
  'GET /api/workspace/p1/review-criteria/proposals': {
    items: [{ id: 'prp_1', kind: 'drop', criterion: { id: 'tests', text: 'x' }, reason: '0 of 5\u001b[2J confirmed.' }],
  },
}

function aSession(answers = ANSWERS, overrides: { words?: readonly string[]; confirms?: boolean | null } = {}) {
  const calls: string[] = []
  const seen = { text: '', json: [] as unknown[], bodies: [] as unknown[] }
  const answer = (method: string, path: string, body?: object): unknown => {
    if (body !== undefined) seen.bodies.push(body)
    const name = `${method} ${path}`
    calls.push(name)
    if (Object.hasOwn(answers, name)) return answers[name]
    throw new ApiError('There is nothing here.', 404, 'not_found')
  }
  const call = async <T>(method: string, path: string, body?: object): Promise<T> => answer(method, path, body) as T
  const instance = () => Promise.resolve({ url: 'http://127.0.0.1:1', apiToken: 'token' })
  const api: Api = {
    instance,
    call,
    insist: call,
    save: (path, version, body) => call('PUT', path, { version, ...body }),
    upload: () => Promise.reject(new ApiError('No uploads here.', 400, 'none')),
    download: () => Promise.reject(new ApiError('No downloads here.', 400, 'none')),
    open: () => Promise.reject(new ApiError('No streams here.', 400, 'none')),
  }
  const options = parseOptions(overrides.words ?? ['x'], { isTerminal: true })
  if (options === null) throw new Error('these words ask for help')
  const session: Session = {
    api,
    options,
    printer: createPrinter((text) => (seen.text += text), { color: false }),
    project: { id: 'p1', name: 'One', source: { kind: 'empty' }, activeTaskId: null },
    conversationId: undefined,
    writeJson: (value) => seen.json.push(value),
    confirm: () => Promise.resolve(overrides.confirms ?? null),
    onInterrupt: () => () => undefined,
  }
  return { session, calls, seen }
}

describe('commands', () => {
  test('are words behind a slash; paths and sentences are messages', () => {
    const texts = ['/undo', '/diff src/a.ts', '/Nonsense', '/etc/hosts is wrong', 'use /undo', '/', '/src/a.ts']
    expect(texts.filter(isCommand)).toEqual(['/undo', '/diff src/a.ts', '/Nonsense'])
  })

  test('unknown ones, and more than one takes, are refused before the server is asked', async () => {
    const { session, calls } = aSession()
    for (const text of ['/undoo', '/constructor', '/cost now']) {
      await expect(runCommand(session, text)).rejects.toThrow(UsageError)
    }
    expect(calls).toEqual([])
  })

  test('show what the server says without control sequences', async () => {
    const { session, seen } = aSession()
    for (const text of ['/diff', '/context', '/criteria', '/cost', '/evidence']) {
      expect(await runCommand(session, text)).toBe(0)
    }
    expect(seen.text).toBe(
      [
        '  modify  a.txt +1 −1',
        '1 file +1 −1',
        'diff --git a/a.txt b/a.txt',
        '@@ -1 +1 @@',
        '-old',
        '+new',
        '(cut here; name a path to see less of it)',
        '# Hi',
        '12 tokens · made now · abcdef012345',
        'version 2 · at most 2 fix rounds',
        '  ○ tests (blocking, off)',
        '    New code has tests',
        '  check test: npm test',
        '  proposed: drop tests · 0 of 5 confirmed.',
        '    /criteria accept prp_1, or /criteria decline prp_1',
        'tsk_1 · claude-haiku-4-5 · 3 turns',
        '  cost         $0.0123 of at most $5',
        '  input        1,234 tokens',
        '  output       56 tokens',
        '  cache read   7 tokens',
        '  cache write  8 tokens',
        'partly',
        '  coder    npm test · failed, exit code 1, 1.2 s',
        '  harness  lint: x · not run, no such program',
        '  missing: lint: no such program',
        '  ? “Tests pass.” (No test ran in this task.)',
        '  ✓ “It builds.”',
        '',
      ].join('\n'),
    )
  })

  test('with --json give the answer as it came, the path in the question', async () => {
    const { session, calls, seen } = aSession(ANSWERS, { words: ['x', '--json'] })
    await runCommand(session, '/diff src/a b')
    await runCommand(session, '/cost')
    expect(calls).toContain('GET /api/tasks/tsk_1/diff?path=src%2Fa%20b')
    expect([seen.text, seen.json]).toEqual(['', [{ ...DIFF, files: [], patch: '', truncated: false }, { task: TASK }]])
  })

  test.each<[string, Parameters<typeof aSession>[1], number | typeof UsageError, boolean]>([
    ['asks a person, who says yes', { confirms: true }, 0, true],
    ['asks a person, who says no', { confirms: false }, 1, false],
    ['does it at once with --yes', { words: ['x', '--yes'] }, 0, true],
    ['does nothing when nobody can be asked', {}, UsageError, false],
  ])('/undo %s', async (_, overrides, expected, isDone) => {
    const { session, calls } = aSession(ANSWERS, overrides)
    const ended = runCommand(session, '/undo')
    if (typeof expected === 'number') expect(await ended).toBe(expected)
    else await expect(ended).rejects.toThrow(expected)
    expect(calls.filter((call) => call.startsWith('POST'))).toEqual(isDone ? ['POST /api/tasks/tsk_1/undo'] : [])
  })

  test('/help and the help of every command fit a terminal of 80 columns, and tell every command', async () => {
    const { session, seen } = aSession()
    await runCommand(session, '/help')
    const texts = [seen.text, chatUsage('npm run chat --')]
    const asked = (): Promise<never> => Promise.reject(new Error('a help text asks for nothing'))
    const facts = { settings: {}, model: { kind: 'scripted', baseUrl: '' }, inspect: asked } as const
    const host = { start: asked, stop: asked, status: asked, chat: asked, browse: asked, facts }
    for (const command of COMMANDS.filter(({ name }) => name !== 'chat')) {
      const write = (text: string | Uint8Array): void => void texts.push(String(text))
      const { api, printer } = session
      await command.run(['--help'], { api, printer, write, home: '/home', host })
    }
    const wide = texts.flatMap((text) => text.split('\n')).filter((line) => line.length > 80)
    const told = ['/undo', '/publish [fork] [pr|draft] [BRANCH]', '/allow HOST', '/restore ID', '/budget AMOUNT']
    expect([wide, told.filter((usage) => !seen.text.includes(`  ${usage}`))]).toEqual([[], []])
  })

  test('/allow adds a host to the network of the version that was read, and sends back no command that was found', async () => {
    const own = { name: 'mine', command: 'make', source: 'custom' }
    const environment = {
      version: 3,
      network: { policy: 'none', hosts: [] as string[] },
      setup: { enabled: true, commands: [own, { name: 'npm', command: 'npm ci', source: 'detected' }] },
      variables: [{ name: 'A', value: 'b' }],
      status: { state: 'ready' },
      toolchains: [],
      services: [{ name: 'dev' }],
    }
    const path = '/api/workspace/p1/environment'
    const saved = { ...environment, version: 4, network: { policy: 'hosts', hosts: ['a.example'] } }
    const { session, seen } = aSession({ [`GET ${path}`]: environment, [`PUT ${path}`]: saved })
    await expect(runCommand(session, '/allow two words')).rejects.toThrow(UsageError)
    expect([await runCommand(session, '/allow A.example'), seen]).toEqual([
      0,
      {
        text: 'Allowed for this project. Network: hosts (a.example)\n',
        json: [],
        bodies: [
          {
            version: 3,
            network: { policy: 'hosts', hosts: ['a.example'] },
            setup: { enabled: true, commands: [{ name: 'mine', command: 'make' }] },
            variables: environment.variables,
            services: environment.services,
          },
        ],
      },
    ])
  })

  test('/budget takes dollars, turns or minutes of the newest task', async () => {
    const { session, seen } = aSession({ ...ANSWERS, 'POST /api/tasks/tsk_1/budget': TASK })
    for (const text of ['/budget', '/budget much', '/budget 5 apples', '/budget -1', '/budget 5 constructor']) {
      await expect(runCommand(session, text)).rejects.toThrow(UsageError)
    }
    for (const text of ['/budget 7.5', '/budget $8', '/budget 300 turns', '/budget 90 minutes']) {
      expect(await runCommand(session, text)).toBe(0)
    }
    expect(seen.bodies).toEqual([{ maxUsd: 7.5 }, { maxUsd: 8 }, { maxTurns: 300 }, { maxMinutes: 90 }])
  })

  test('/restore shows what it would change, asks, and goes back; /checkpoints lists what there is', async () => {
    const stat = { files: 1, added: 2, removed: 1 }
    const items = [
      { id: 'ckp_1', label: 'before\u001b[2J the task', stat, createdAt: '2026-01-02T03:04:05.000Z' },
      { id: 'ckp_2', label: 'turn 1', stat, createdAt: '2026-01-02T03:05:05.000Z' },
    ]
    const answers = {
      'GET /api/workspace/p1/checkpoints?limit=200&after=': { items, nextAfter: null },
      'GET /api/workspace/p1/diff?from=ckp_2&to=ckp_1': DIFF,
      'POST /api/checkpoints/ckp_1/restore': { checkpoint: { id: 'ckp_3' } },
    }
    const listed = aSession(answers)
    await runCommand(listed.session, '/checkpoints')
    const asked = aSession(answers, { confirms: true })
    const refused = aSession(answers, { confirms: false })
    const nobody = aSession(answers)
    await expect(runCommand(nobody.session, '/restore ckp_1')).rejects.toThrow(UsageError)
    expect({
      listed: listed.seen.text.split('\n'),
      codes: [await runCommand(asked.session, '/restore ckp_1'), await runCommand(refused.session, '/restore ckp_1')],
      asked: asked.calls.at(-1),
      refused: refused.calls.filter((call) => call.startsWith('POST')),
      nobody: nobody.calls.filter((call) => call.startsWith('POST')),
    }).toEqual({
      listed: [
        '  ckp_1  2026-01-02 03:04  +2 −1',
        '    before the task',
        '  ckp_2  2026-01-02 03:05  +2 −1',
        '    turn 1',
        '',
      ],
      codes: [0, 1],
      asked: 'POST /api/checkpoints/ckp_1/restore',
      refused: [],
      nobody: [],
    })
  })

  test('a proposal for the criteria is decided, and one alternative’s change is shown', async () => {
    const { session, calls, seen } = aSession({
      'GET /api/workspace/p1/tasks?limit=20&order=newest': { items: [TASK] },
      'GET /api/tasks/tsk_1/alternatives': { items: [{ id: 'cmp_1' }] },
      'GET /api/comparisons/cmp_1/alternatives/2/diff': DIFF,
      'POST /api/workspace/p1/review-criteria/proposals/prp_1': { version: 3 },
    })
    for (const text of ['/criteria accept', '/criteria maybe prp_1', '/alternatives diff', '/alternatives diff 1 2']) {
      await expect(runCommand(session, text)).rejects.toThrow(UsageError)
    }
    await runCommand(session, '/criteria accept prp_1')
    await runCommand(session, '/alternatives diff 2')
    expect([calls.slice(-2), seen.bodies, seen.text.split('\n').slice(0, 2)]).toEqual([
      ['GET /api/tasks/tsk_1/alternatives', 'GET /api/comparisons/cmp_1/alternatives/2/diff'],
      [{ decision: 'accept' }],
      ['Accepted; the criteria are at version 3.', '  modify  a.txt +1 −1'],
    ])
  })

  test('/undo without anything to undo says so', async () => {
    const { session, seen } = aSession({ 'GET /api/workspace/p1/undo': { taskId: null } })
    expect([await runCommand(session, '/undo'), seen.text]).toEqual([1, 'There is nothing to undo in p1.\n'])
  })
})

describe('the prompt', () => {
  const typing = (...typed: readonly Typed[]): Keyboard => {
    const left = [...typed]
    return { read: () => Promise.resolve(left.shift() ?? { kind: 'end' }), onInterrupt: () => () => undefined }
  }
  const text = (line: string): Typed => ({ kind: 'text', text: line })
  const interrupt: Typed = { kind: 'interrupt' }

  test('goes on after what was refused and leaves at its end', async () => {
    const { session, seen, calls } = aSession()
    const keyboard = typing(text('/nope'), text('  '), text('Do it'), text('/context'), text('/exit'), text('/cost'))
    expect(await runPrompt(session, keyboard)).toBe(0)
    expect(seen.text).toContain('There is no command /nope')
    expect(seen.text).toContain('No streams here.')
    expect(calls).toEqual(['GET /api/workspace/p1/context'])
  })

  test('leaves at the second Ctrl-C in a row', async () => {
    const { session, calls } = aSession()
    const keyboard = typing(interrupt, text('/context'), interrupt, interrupt, text('/context'))
    expect([await runPrompt(session, keyboard), calls.length]).toEqual([0, 1])
  })
})

test('without a message there is a prompt on a terminal, and nowhere else', () => {
  expect(parseOptions([], { isTerminal: true })?.message).toBeNull()
  expect(() => parseOptions([], { isTerminal: false })).toThrow(UsageError)
  expect(() => parseOptions(['--json'], { isTerminal: true })).toThrow(UsageError)
})
