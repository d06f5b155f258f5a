import { describe, expect, test } from 'vitest'
import { demoPolicy } from '../../../src/standin/policies/demo.ts'
import { listPolicy } from '../../../src/standin/policies/list.ts'
import { understand } from '../../../src/standin/policies/plain-language.ts'
import { isSampleRequest } from '../../../src/standin/policies/sample-project.ts'
import { type PolicyReply, viewOf } from '../../../src/standin/policy.ts'
import type { WireBlock, WireMessage, WireRequest } from '../../../src/standin/wire.ts'

const text = (value: string): WireBlock => ({ type: 'text', text: value })
const user = (...content: WireBlock[]): WireMessage => ({ role: 'user', content })
const calls = (id: string, name: string, input: object): WireMessage => ({
  role: 'assistant',
  content: [{ type: 'tool_use', id, name, input }],
})
const result = (id: string, content: string, isError = false): WireBlock => ({
  type: 'tool_result',
  tool_use_id: id,
  content,
  is_error: isError,
})

function view(messages: readonly WireMessage[], tools: readonly string[] = ['bash']) {
  const request: WireRequest = {
    model: 'claude-haiku-4-5',
    max_tokens: 100,
    messages,
    tools: tools.map((name) => ({ name, input_schema: { type: 'object' } })),
  }
  return viewOf(request)
}

const textIn = (reply: PolicyReply) => reply.blocks.map((block) => (block.type === 'text' ? block.text : '')).join('')
const toolsIn = (reply: PolicyReply) =>
  reply.blocks.flatMap((block) => (block.type === 'tool_use' ? [block.input] : []))

describe('viewOf', () => {
  test('tells requests from context, notices and results', () => {
    const seen = view([
      user(text('<context>facts about tests to fix</context>\n\nrun ls')),
      calls('t1', 'bash', { command: 'ls' }),
      user(
        result('t1', 'a'),
        text('[80 % of the budget is used]'),
        text('Notice: 8 of 10 turns are used.'),
        text('run pwd'),
      ),
    ])
    expect(seen.texts.map(({ text: words, steering }) => ({ words, steering }))).toEqual([
      { words: 'run ls', steering: false },
      { words: 'run pwd', steering: true },
    ])
  })

  test('takes a nudge of the harness for no request', () => {
    const nudge = 'Your reply was cut off because it was too long. Continue where it stopped.'
    const messages = [user(text('run ls')), { role: 'assistant' as const, content: 'I will' }, user(text(nudge))]
    expect(toolsIn(demoPolicy(view(messages)))).toEqual([{ command: 'ls' }])
  })

  test('joins calls with their results', () => {
    const seen = view([user(text('x')), calls('t1', 'bash', { command: 'ls' }), user(result('t1', 'a', true))])
    expect(seen.calls).toEqual([
      { id: 't1', name: 'bash', input: { command: 'ls' }, messageIndex: 1, result: 'a', isError: true },
    ])
  })

  test('knows the reviewer by its tool and the round by its text', () => {
    const { lane, round } = view([user(text('Review round 3\n\nJudge.'))], ['read', 'submit_review'])
    expect({ lane, round }).toEqual({ lane: 'reviewer', round: 3 })
  })
})

describe('the list policy', () => {
  const script = {
    turns: [
      { text: 'one', tools: [{ name: 'bash', input: { command: 'echo {{turn}} {{n}}' } }], repeat: 2 },
      { text: 'two' },
    ],
    reviews: [{ verdict: 'ISSUES_FOUND', findings: [{ severity: 'note' }] }, { verdict: 'APPROVED' }],
  }
  const fenced = `Please play this:\n\`\`\`json\n${JSON.stringify(script)}\n\`\`\`\nThanks {for} it.`

  test.each([fenced, `script: ${JSON.stringify(script)}`])('plays turn by turn from %#', (words) => {
    const first = [user(text(words))]
    const second = [...first, calls('t1', 'bash', {}), user(result('t1', ''))]
    const third = [...second, calls('t2', 'bash', {}), user(result('t2', ''))]
    const fourth = [...third, { role: 'assistant' as const, content: 'two' }, user(text('and now?'))]
    const replies = [first, second, third, fourth].map((messages) => listPolicy(view(messages)))
    expect(replies.map((reply) => [textIn(reply), ...toolsIn(reply)])).toEqual([
      ['one', { command: 'echo 1 1' }],
      ['one', { command: 'echo 2 2' }],
      ['two'],
      ['The script is played.'],
    ])
  })

  test('counts from the latest script', () => {
    const next = 'script: {"turns":[{"text":"fresh"}]}'
    const messages = [user(text(fenced)), { role: 'assistant' as const, content: 'one' }, user(text(next))]
    expect(textIn(listPolicy(view(messages)))).toBe('fresh')
  })

  test('answers a review by its round, the last answer for all later ones', () => {
    const review = (round: number) =>
      listPolicy(view([user(text(`Review round ${round}\n\n\`\`\`\`request\n${fenced}\n\`\`\`\``))], ['submit_review']))
    expect([1, 2, 5].map((round) => toolsIn(review(round))[0])).toEqual([
      { verdict: 'ISSUES_FOUND', summary: 'Scripted verdict: ISSUES_FOUND', findings: [{ severity: 'note' }] },
      { verdict: 'APPROVED', summary: 'Scripted verdict: APPROVED', findings: [] },
      { verdict: 'APPROVED', summary: 'Scripted verdict: APPROVED', findings: [] },
    ])
  })

  test.each([
    ['no script at all', 'No script was given.'],
    ['script: {"turns":[{"txt":"typo"}]}', 'The script cannot be read'],
    ['script: {"turns":[', 'No script was given.'],
  ])('says what is wrong with %j', (words, said) => {
    expect(textIn(listPolicy(view([user(text(words))])))).toContain(said)
  })
})

describe('plain language', () => {
  test.each([
    ['run npm run build', { kind: 'run', command: 'npm run build' }],
    ['Please run `ls -la`.', { kind: 'run', command: 'ls -la' }],
    ['run the tests', { kind: 'run', command: 'npm test' }],
    ['execute the command "sleep 30"', { kind: 'run', command: 'sleep 30' }],
    ['create src/a.js with export const a = 1', { kind: 'create', path: 'src/a.js', content: 'export const a = 1\n' }],
    [
      'Create a file `b.md` containing:\n```md\n# B\n\ntext\n```',
      { kind: 'create', path: 'b.md', content: '# B\n\ntext\n' },
    ],
    ['rename src/a.js to src/b.js', { kind: 'rename', from: 'src/a.js', to: 'src/b.js' }],
    ['rename the function `foo` to `bar`', { kind: 'rename', from: 'foo', to: 'bar' }],
    ['explain this project', { kind: 'explain' }],
    ['What does this project do?', { kind: 'explain' }],
    ['show me the files', { kind: 'list' }],
    ['show README.md', { kind: 'show', path: 'README.md' }],
    ['write a poem', null],
    ['fix the failing tests', null],
  ])('understands %j', (words, request) => {
    expect(understand(words)).toEqual(request)
  })

  test('asks the sample policy for what concerns its tests', () => {
    const asked = ['fix the tests', 'Make the test suite pass', 'There is a bug, please find it', 'hello']
    expect(asked.map(isSampleRequest)).toEqual([true, true, true, false])
  })

  test('says once what it is when it understands nothing', () => {
    const reply = demoPolicy(view([user(text('make me rich'), text('now'))]))
    expect(textIn(reply).match(/scripted demonstration/g)).toHaveLength(1)
    expect(textIn(reply)).toContain('ANTHROPIC_API_KEY')
  })

  test('leaves what was cancelled behind', () => {
    const messages = [
      user(text('fix the tests')),
      calls('t1', 'bash', { command: 'npm test' }),
      user(result('t1', 'interrupted; state may have changed', true), text('run echo hi')),
    ]
    expect(toolsIn(demoPolicy(view(messages)))).toEqual([{ command: 'echo hi' }])
  })
})
