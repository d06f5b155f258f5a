import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { nextStep, type ShownCommand } from '../../../../src/web/panels/terminal/terminal-log.ts'
import type { CommandView } from '../../../../src/web/state.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function command(id: string, output: readonly string[], more: Partial<CommandView> = {}): CommandView {
  const chunks = output.map(bytes)
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  return {
    toolUseId: id,
    partId: id,
    command: `run ${id}`,
    cwd: '.',
    status: 'running',
    exitCode: null,
    durationMs: null,
    chunks,
    length,
    tail: null,
    bytes: length,
    truncated: false,
    ...more,
  }
}

const ended = (id: string, output: readonly string[], more: Partial<CommandView> = {}): CommandView =>
  command(id, output, { status: 'exited', exitCode: 0, durationMs: 1200, ...more })

/** The text that a terminal without any escape sequences would show. */
function textOf(steps: readonly (readonly { data: string | Uint8Array }[])[]): string {
  const all = steps.flat().map(({ data }) => (typeof data === 'string' ? data : new TextDecoder().decode(data)))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colours
  return all.join('').replace(/\u001b[[(][?!\d;]*[A-Za-z]/g, '')
}

function play(states: readonly (readonly CommandView[])[]): string {
  let shown: readonly ShownCommand[] = []
  let steps: (readonly { data: string | Uint8Array }[])[] = []
  for (const commands of states) {
    let step = nextStep(shown, commands)
    if (step === null) {
      steps = []
      step = nextStep([], commands)
    }
    if (step === null) throw new Error('an empty screen can always be written')
    steps.push(step.writes)
    shown = step.shown
  }
  return textOf(steps)
}

describe('the terminal', () => {
  test('shows a command, its output and its end, whatever pieces they came in', () => {
    const whole = play([[ended('a', ['one\r\ntwo\r\n'])]])
    expect(whole).toBe('$ run a\r\none\r\ntwo\r\n\r\nok after 1.2 s\r\n\r\n')
    const states = [[command('a', [])], [command('a', ['one\r\n'])], [ended('a', ['one\r\n', 'two\r\n'])]]
    expect(play(states)).toBe(whole)
  })

  test('is the same for every way in which the output grew', () => {
    const word = fc.array(fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom('a', 'b', '\n') }), {
      maxLength: 6,
    })
    fc.assert(
      fc.property(word, word, (first, second) => {
        const states: CommandView[][] = []
        for (let i = 0; i <= first.length; i++) states.push([command('a', first.slice(0, i))])
        states.push([ended('a', [first.join('')])])
        for (let i = 0; i <= second.length; i++) {
          states.push([ended('a', [first.join('')]), command('b', second.slice(0, i))])
        }
        states.push([ended('a', [first.join('')]), ended('b', [second.join('')])])
        expect(play(states)).toBe(play([states.at(-1) ?? []]))
      }),
    )
  })

  test('is written anew when an earlier command goes on', () => {
    const shown = nextStep([], [command('a', ['x']), command('b', ['y'])])?.shown ?? []
    expect(nextStep(shown, [command('a', ['x', 'z']), command('b', ['y'])])).toBeNull()
    expect(nextStep(shown, [command('b', ['y'])])).toBeNull()
  })

  test('names what was left out of a long output, and how a command ended', () => {
    const long = ended('a', ['head'], { tail: bytes('tail'), bytes: 1_000_008, truncated: true, exitCode: 3 })
    expect(play([[long]])).toBe('$ run a\r\nhead\r\n… 1,000,000 bytes left out …\r\ntail\r\nexit 3 after 1.2 s\r\n\r\n')
    expect(play([[ended('a', [], { status: 'lost', exitCode: null })]])).toContain('lost: its outcome is not known')
  })

  test('shows control characters of a command as signs, so that its words cannot steer the screen', () => {
    expect(play([[command('a', [], { command: 'echo \u001b]52;c;aGk=\u0007\nnext' })]])).toBe(
      '$ echo ␛]52;c;aGk=␇\r\n> next\r\n',
    )
  })
})
