import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import type { HistoryMessage, Model, ModelRequest, ToolUseBlock, UserBlock } from '../../../src/model/types.ts'
import { demoPolicy } from '../../../src/standin/policies/demo.ts'
import { sampleProjectFiles } from '../../../src/standin/sample-project.ts'
import type { ScriptedServer } from '../../../src/standin/server.ts'
import { aListener, aRequest, aServer, aTool, coderTools, user } from './support.ts'

let server: ScriptedServer
let model: Model
let root: string

beforeAll(async () => {
  server = await aServer({ policy: demoPolicy })
  model = createAnthropicModel({ apiKey: 'k', baseUrl: server.url, kind: 'scripted' })
})
afterAll(() => server.close())
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'keelson-sample-'))
  for (const [path, text] of Object.entries(sampleProjectFiles())) await put(path, text)
})
afterEach(() => rm(root, { recursive: true, force: true }))

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}

interface Outcome {
  readonly content: string
  readonly isError: boolean
}

const ok = (content: string): Outcome => ({ content, isError: false })

function shell(command: string): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile('bash', ['-c', command], { cwd: root, timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({ content: `exit code: ${error ? 1 : 0}\n${stdout}${stderr}`, isError: error !== null })
    })
  })
}

/** The tools as the agent has them, as far as the policies use them. */
async function runTool({ name, input }: ToolUseBlock): Promise<Outcome> {
  const given = input as Readonly<Record<string, string>>
  const path = given['file_path'] ?? ''
  switch (name) {
    case 'bash':
      return shell(given['command'] ?? '')
    case 'glob':
      return ok((await readdir(root, { recursive: true })).sort().join('\n'))
    case 'grep':
      return shell(`grep -rnE '${given['pattern']}' src test | sed 's/^exit.*//'`)
    case 'read': {
      const text = await readFile(join(root, path), 'utf8').catch(() => null)
      if (text === null) return { content: `${path} does not exist.`, isError: true }
      return ok(
        text
          .split('\n')
          .map((line, index) => `${String(index + 1).padStart(6)}\t${line}`)
          .join('\n'),
      )
    }
    case 'write':
      await put(path, given['content'] ?? '')
      return ok('written')
    case 'edit': {
      const text = await readFile(join(root, path), 'utf8')
      const [from, to] = [given['old_string'] ?? '', given['new_string'] ?? '']
      if (!text.includes(from)) return { content: 'old_string was not found', isError: true }
      await put(path, text.split(from).join(to))
      return ok('edited')
    }
    default:
      return ok('received')
  }
}

interface Played {
  readonly messages: readonly HistoryMessage[]
  readonly tools: readonly ToolUseBlock[]
  readonly said: string
}

/** Goes on until the model says no more, at most 30 turns. */
async function play(request: ModelRequest): Promise<Played> {
  let messages = request.messages
  const tools: ToolUseBlock[] = []
  for (let turn = 0; turn < 30; turn++) {
    const reply = await model.stream({ ...request, messages }, aListener())
    messages = [...messages, { role: 'assistant', content: reply.content }]
    const uses = reply.content.filter((block) => block.type === 'tool_use')
    const texts = reply.content.flatMap((block) => (block.type === 'text' ? [block.text] : []))
    if (uses.length === 0) return { messages, tools, said: texts.join('\n') }
    tools.push(...uses)
    const results: UserBlock[] = []
    for (const use of uses) {
      const { content, isError } = await runTool(use)
      results.push({ type: 'tool_result', tool_use_id: use.id, content, is_error: isError })
    }
    messages = [...messages, { role: 'user', content: results }]
  }
  throw new Error('the policy did not come to an end')
}

const names = (played: Played) => played.tools.map(({ name }) => name)

const coder = (taskId: string, ...messages: HistoryMessage[]) => aRequest({ taskId, messages })

function reviewer(taskId: string, text: string): ModelRequest {
  const tools = [...coderTools.filter(({ name }) => ['read', 'glob', 'grep'].includes(name)), aTool('submit_review')]
  return aRequest({ taskId, tools, system: ['You are a reviewer.'], messages: [user(text)] })
}

const DIFF = '```diff\n--- a/src/split-bill.js\n+++ b/src/split-bill.js\n@@ -7,4 +7,6 @@\n```'

describe('the sample project', () => {
  test('begins with exactly one failing test', async () => {
    const { content, isError } = await shell('npm test')
    expect({ isError, fail: /fail (\d+)/.exec(content)?.[1], pass: /pass (\d+)/.exec(content)?.[1] }).toEqual({
      isError: true,
      fail: '1',
      pass: '5',
    })
  })

  test('is mended halfway, found out by the reviewer, mended whole and approved', async () => {
    const work = await play(coder('tsk_sample', user('Fix the failing test.')))
    expect({ tools: names(work), green: !(await shell('npm test')).isError }).toEqual({
      tools: ['glob', 'read', 'bash', 'read', 'read', 'edit', 'bash'],
      green: true,
    })

    const first = await play(reviewer('tsk_sample', `Review round 1\n\n${DIFF}`))
    const source = await readFile(join(root, 'src/split-bill.js'), 'utf8')
    const line = source.split('\n').findIndex((text) => text.includes('shares[0] +=')) + 1
    expect(first.tools.at(-1)?.input).toMatchObject({
      verdict: 'ISSUES_FOUND',
      findings: [
        {
          severity: 'blocking',
          file: 'src/split-bill.js',
          line,
          scenario: expect.stringContaining('splitBill(101, 3)'),
        },
      ],
    })

    const fix = user('Review round 1 found 1 issue that has to be mended:\n\n1. fnd_1, src/split-bill.js:10')
    const mended = await play(coder('tsk_sample', ...work.messages, fix))
    expect(names(mended)).toEqual(['read', 'read', 'edit', 'edit', 'bash'])
    const { content } = await shell('npm test')
    expect({ fail: /fail (\d+)/.exec(content)?.[1], pass: /pass (\d+)/.exec(content)?.[1] }).toEqual({
      fail: '0',
      pass: '7',
    })

    const open = '## Open findings\n- id fnd_1, blocking, src/split-bill.js:10\n'
    const second = await play(reviewer('tsk_sample', `Review round 2\n\n${open}\n${DIFF}`))
    expect(second.tools.at(-1)?.input).toMatchObject({
      verdict: 'APPROVED',
      findings: [],
      earlier: [{ id: 'fnd_1', state: 'fixed' }],
    })
  })

  test('that is green already is left alone', async () => {
    await put(
      'src/split-bill.js',
      'export const splitBill = (total, n) => n === 1 ? [total] : total === 90 ? [30, 30, 30] : [34, 33, 33]\n',
    )
    const played = await play(coder('tsk_green', user('fix the tests')))
    expect({ tools: names(played), said: played.said }).toEqual({
      tools: ['glob', 'read', 'bash'],
      said: 'All tests pass already, so I changed nothing.',
    })
  })

  test('with a bug that the policy does not know ends honestly instead of for ever', async () => {
    await put('src/split-bill.js', 'export const splitBill = () => []\n')
    const played = await play(coder('tsk_other_bug', user('fix the tests')))
    expect(names(played)).not.toContain('edit')
    expect(played.said).toMatch(/still fail/)
  })

  test('keeps a finding open when nothing was mended', async () => {
    await play(coder('tsk_open', user('Fix the failing test.')))
    const open = '## Open findings\n- id fnd_9, blocking, src/split-bill.js:10\n'
    const second = await play(reviewer('tsk_open', `Review round 2\n\n${open}\n${DIFF}`))
    expect(second.tools.at(-1)?.input).toMatchObject({
      verdict: 'ISSUES_FOUND',
      findings: [],
      earlier: [{ id: 'fnd_9', state: 'still_open' }],
    })
  })
})

describe('a plain request', () => {
  test.each([
    ['run echo hello', ['bash'], /`echo hello` has run[\s\S]*hello/],
    ['Please run `false`', ['bash'], /did not succeed/],
    ['create notes.txt with "buy milk"', ['write'], /Created `notes.txt`/],
    ['explain this project', ['glob', 'read', 'read'], /tabsplit[\s\S]*Splits a bill/],
    ['show package.json', ['read'], /"name": "tabsplit"/],
    ['rename README.md to docs/README.md', ['bash'], /Renamed `README.md` to `docs\/README.md`/],
    ['What is the meaning of life?', [], /scripted demonstration[\s\S]*ANTHROPIC_API_KEY/],
  ])('"%s" is carried out with the tools', async (text, tools, said) => {
    const played = await play(coder(`tsk_${text.length}`, user(text)))
    expect(names(played)).toEqual(tools)
    expect(played.said).toMatch(said)
  })

  test('renames a name in every file, and the project stays as green as it was', async () => {
    const played = await play(coder('tsk_rename', user('rename formatCents to showCents')))
    expect(played.said).toBe('Renamed `formatCents` to `showCents` in 3 files.')
    expect((await shell('npm test')).content).toMatch(/fail 1\b/)
  })

  test('given while another is worked on is done as well, and the first one too', async () => {
    const request = coder('tsk_steer', user('fix the tests'))
    const first = await model.stream(request, aListener())
    const uses = first.content.filter((block) => block.type === 'tool_use')
    const results: UserBlock[] = []
    for (const use of uses) {
      const { content } = await runTool(use)
      results.push({ type: 'tool_result', tool_use_id: use.id, content })
    }
    const steered: HistoryMessage[] = [
      ...request.messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [...results, { type: 'text', text: 'create hint.txt with steered' }] },
    ]
    const played = await play({ ...request, messages: steered })
    expect({ hint: await readFile(join(root, 'hint.txt'), 'utf8'), green: !(await shell('npm test')).isError }).toEqual(
      {
        hint: 'steered\n',
        green: true,
      },
    )
    expect(played.said).toMatch(/failing test passes now[\s\S]*Created `hint.txt`/)
  })
})
