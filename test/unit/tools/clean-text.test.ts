import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanText, cutText, showOutput } from '../../../src/shared/text/clean-text.ts'

const ESC = '\u001b'

describe('cleanText', () => {
  test.each([
    ['colours', `${ESC}[1;31mred${ESC}[0m plain`, 'red plain'],
    ['a window title', `${ESC}]0;title\u0007text`, 'text'],
    ['a link', `${ESC}]8;;https://example.org${ESC}\\name${ESC}]8;;${ESC}\\`, 'name'],
    ['a device string', `${ESC}P1$r0m${ESC}\\x`, 'x'],
    ['cursor keys and charset choice', `${ESC}(B${ESC}[?25lx${ESC}[2K`, 'x'],
    ['the one-byte form', '\u009b31mred', 'red'],
    ['a sequence built from the pieces of another', `${ESC}${ESC}[0m[31mred`, '[31mred'],
    ['a progress bar', '10%\r50%\r100%\ndone', '100%\ndone'],
    ['line ends of Windows', 'a\r\nb\r\n', 'a\nb\n'],
    ['bell and backspace', 'a\u0007b\u0008c', 'abc'],
    ['NUL', 'a\0b', 'a\ufffdb'],
    ['a lone surrogate', 'a\ud800b', 'a\ufffdb'],
    ['a pair', 'a\u{1f600}b', 'a\u{1f600}b'],
    ['tabs', 'a\tb', 'a\tb'],
  ])('%s', (_what, given, wanted) => {
    expect(cleanText(given)).toBe(wanted)
  })

  test('an unclosed title sequence does not swallow the rest', () => {
    expect(cleanText(`a${ESC}]0;b\nexit code 1`)).toContain('exit code 1')
  })

  test('no control character but tab and line feed survives, and nothing changes a second time', () => {
    const hostile = fc.string({
      unit: fc.constantFrom(ESC, '[', ']', '\\', '\u0007', '\u009b', 'm', '0', '\r', '\n', '\0', 'P', '\ud800', 'x'),
    })
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
        const clean = cleanText(text)
        expect(clean).not.toMatch(/(?![\t\n])\p{Cc}|\p{Surrogate}/u)
        expect(cleanText(clean)).toBe(clean)
      }),
    )
  })

  test('a megabyte of unclosed sequences takes no quadratic time', () => {
    const text = `${ESC}]`.repeat(500_000)
    expect(cleanText(text)).toBe('')
  })
})

test('a cut never halves a surrogate pair', () => {
  expect(cutText('a\u{1f600}b', 2)).toBe('a')
  expect(cutText('a\u{1f600}b', 3)).toBe('a\u{1f600}')
})

describe('showOutput', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)

  test('the count of what was left out stands between head and tail', () => {
    const shown = showOutput({ head: bytes('first'), tail: bytes('last'), omittedBytes: 7 }, ' hint')
    expect(shown).toBe('first\n[… 7 bytes left out here … hint]\nlast')
  })

  test('a character cut in two at the gap leaves no mark', () => {
    const euro = bytes('€')
    const shown = showOutput({ head: euro.subarray(0, 2), tail: euro.subarray(1), omittedBytes: 1 })
    expect(shown).toBe('\n[… 1 bytes left out here …]\n')
  })

  test('head and tail that touch are joined before they are decoded', () => {
    const euro = bytes('€')
    expect(showOutput({ head: euro.subarray(0, 1), tail: euro.subarray(1), omittedBytes: 0 })).toBe('€')
  })
})
