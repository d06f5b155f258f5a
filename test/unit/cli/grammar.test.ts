import { describe, expect, test } from 'vitest'
import { COMMANDS } from '../../../src/cli/command-line/command-table.ts'
import { completeWords, type LookUp } from '../../../src/cli/grammar/complete-words.ts'
import { nearestName } from '../../../src/cli/grammar/nearest-name.ts'
import { type OptionTable, parseWords } from '../../../src/cli/grammar/parse-words.ts'
import { UsageError } from '../../../src/cli/usage-error.ts'

const OPTIONS = {
  project: { type: 'string', value: 'ID|NAME', what: 'a project' },
  expect: { type: 'string', choices: ['approved'], what: 'what must come out' },
  json: { type: 'boolean', what: 'for programs' },
  help: { type: 'boolean', short: 'h', what: 'help' },
} as const satisfies OptionTable

function refusal(words: readonly string[]): string {
  try {
    parseWords(words, OPTIONS)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  return 'taken'
}

describe('words', () => {
  test('become values and the rest, wherever the options stand', () => {
    expect(parseWords(['a', '--json', '--project=p 1', 'b', '-h', '--expect', 'approved'], OPTIONS)).toEqual({
      values: { json: true, project: 'p 1', help: true, expect: 'approved' },
      positionals: ['a', 'b'],
    })
    expect(parseWords(['--', '--json', '-5'], OPTIONS)).toEqual({ values: {}, positionals: ['--json', '-5'] })
  })

  test.each([
    [['--projct', 'x'], 'There is no option --projct. Did you mean --project?'],
    [['--jsno'], 'There is no option --jsno. Did you mean --json?'],
    [['--colour'], 'There is no option --colour.'],
    [['--__proto__'], 'There is no option --__proto__.'],
    [['-5'], 'There is no option -5. A text that begins with a dash goes behind --.'],
    [['--project'], '--project needs a value: --project ID|NAME.'],
    [['--project', '--json'], '--project needs a value: --project ID|NAME.'],
    [['--project='], '--project needs a value: --project ID|NAME.'],
    [['--json=yes'], '--json takes no value.'],
    [['--expect', 'luck'], '--expect takes: approved.'],
  ])('%j are refused in a sentence', (words, sentence) => {
    expect(refusal(words)).toBe(sentence)
  })
})

test.each([
  ['stauts', 'status'],
  ['statsu', 'status'],
  ['STOP', 'stop'],
  ['comp', 'completion'],
  ['st', undefined],
  ['ps', undefined],
  ['publish-everything', undefined],
])('the nearest command to %s is %s', (typed, expected) => {
  expect(
    nearestName(
      typed,
      COMMANDS.map(({ name }) => name),
    ),
  ).toBe(expected)
})

describe('completion', () => {
  const lookUp: LookUp = {
    projects: () => Promise.resolve([{ word: 'prj_1', what: 'One' }]),
    tasks: () => Promise.resolve([{ word: 'tsk_1', what: 'completed, One' }]),
  }
  const offered = async (...words: string[]) => (await completeWords(words, COMMANDS, lookUp)).map(({ word }) => word)

  test('offers commands, their options, and what runs', async () => {
    expect({
      command: await offered('st'),
      help: await offered('help', 'dif'),
      options: await offered('chat', '--e'),
      choices: await offered('chat', '--expect', ''),
      inline: await offered('chat', '--expect=a'),
      project: await offered('tasks', '--project', 'p'),
      task: await offered('diff', ''),
      shells: await offered('completion', ''),
      nothing: await offered('nonsense', ''),
      freeText: await offered('chat', 'Mend'),
    }).toEqual({
      command: ['start', 'status', 'stop'],
      help: ['diff'],
      options: ['--expect'],
      choices: ['approved'],
      inline: ['--expect=approved'],
      project: ['prj_1'],
      task: ['tsk_1'],
      shells: ['bash', 'zsh', 'fish'],
      nothing: [],
      freeText: [],
    })
  })

  test('offers the options of a command that takes no words', async () => {
    expect(await offered('status', '')).toEqual(['--json', '--help'])
  })
})
