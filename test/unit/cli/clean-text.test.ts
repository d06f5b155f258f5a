import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clean, createCleaner } from '../../../src/cli/clean-text.ts'

describe('untrusted text', () => {
  test.each([
    ['colour', '\x1b[31mred\x1b[0m', 'red'],
    ['a cursor move', 'a\x1b[2J\x1b[1;1Hb', 'ab'],
    ['a window title', '\x1b]0;pwned\x07text', 'text'],
    ['a clipboard write', '\x1b]52;c;ZXZpbA==\x1b\\text', 'text'],
    ['a link', '\x1b]8;;http://evil\x1b\\safe\x1b]8;;\x1b\\', 'safe'],
    ['a device string', '\x1bP1$r0m\x1b\\text', 'text'],
    ['a carriage return that would hide text', 'rm -rf\rls', 'rm -rf\nls'],
    ['a bell and a backspace', 'a\x07b\x08c', 'abc'],
    ['eight-bit controls', 'a\x9b31mb', 'a31mb'],
    ['text that runs backwards', 'a\u202eb\u2066c', 'abc'],
    ['line feeds and tabs, which stay', 'a\n\tb', 'a\n\tb'],
  ])('loses %s', (_, text, expected) => {
    expect(clean(text)).toBe(expected)
  })

  test('is the same whether it comes whole or in pieces', () => {
    const part = fc.constantFrom('a', '\n', '\x1b[31m', '\x1b]0;t\x07', '\x1b\\', '\x1b', '[', 'm', 'é', '\x07')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(40), { maxLength: 6 }), (parts, cuts) => {
        const whole = `${parts.join('')}.`
        const cleaner = createCleaner()
        const at = [...new Set([0, ...cuts.filter((cut) => cut < whole.length), whole.length])].toSorted(
          (a, b) => a - b,
        )
        const pieces = at.slice(1).map((end, i) => whole.slice(at[i], end))
        const streamed = pieces.map(cleaner).join('')
        expect(streamed).not.toMatch(/[\x00-\x08\x0b-\x1f]/)
      }),
    )
  })
})
