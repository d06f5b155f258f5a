import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findReplacement } from '../../../src/tools/find-replacement.ts'
import { contentInFormOf } from '../../../src/tools/keep-form.ts'
import { inLineEndsOf } from '../../../src/tools/keep-line-ends.ts'
import { countLineEnds, lineEndOf, PlainText } from '../../../src/tools/line-ends.ts'
import { readShown, showCharacters } from '../../../src/tools/shown-text.ts'
import { decodeText, encodeText, encodingOf, type TextEncoding, TextStream } from '../../../src/tools/text-form.ts'

const edited = (text: string, oldString: string, newString: string, replaceAll = false) => {
  const found = findReplacement(text, { oldString, newString, replaceAll })
  return found.ok ? found.text : found.message
}

describe('an edit takes the line ends of what it replaces or of its neighbours', () => {
  test.each([
    ['one\r\ntwo\r\nthree\r\nfour\r\n', 'three', 'three-a\nthree-b', 'one\r\ntwo\r\nthree-a\r\nthree-b\r\nfour\r\n'],
    ['one\r\ntwo\r\nthree\r\n', 'one\ntwo', 'ONE\nTWO', 'ONE\r\nTWO\r\nthree\r\n'],
    ['one\ntwo\n', 'two', 'two-a\ntwo-b', 'one\ntwo-a\ntwo-b\n'],
    ['alpha\rbeta\rgamma\r', 'beta', 'BETA', 'alpha\rBETA\rgamma\r'],
    ['alpha\rbeta\rgamma\r', 'alpha\nbeta', 'a\nb\nc', 'a\rb\rc\rgamma\r'],
    ['a\r\nb\nc\r\n', 'b', 'B', 'a\r\nB\nc\r\n'],
    ['a\r\nb\nc\r\n', 'a\nb\nc', 'a\nx\nb\nc', 'a\r\nx\nb\nc\r\n'],
    ['a\nb\r\nc\n', 'b', 'b1\nb2', 'a\nb1\r\nb2\r\nc\n'],
    ['a\nb\r\nc\n', 'a\nb\nc', 'a\nB\nc', 'a\nB\r\nc\n'],
    ['\ufeffusing A;\nclass B {}\n', 'using A;', 'using A;\nusing C;', '\ufeffusing A;\nusing C;\nclass B {}\n'],
    ['x\r\ny', 'y', 'y\nz', 'x\r\ny\r\nz'],
    ['x\r\ny\r\n', '\ny', '\nz', 'x\r\nz\r\n'],
    ['a\r\nb\r\n', 'a\n', '', 'b\r\n'],
    ['a\r\nb\r\n', 'a\r\n', 'c\r\nd\n', 'c\r\nd\r\nb\r\n'],
    ['x\r\nx\ny', 'x\n', 'z\n', 'x\r\nz\ny'],
    ['x\r\nx\ny', 'x\r\n', 'z\r\n', 'z\r\nx\ny'],
    ['a\nb\r\nc\n', 'b⟦\\r⟧', 'B⟦\\r⟧', 'a\nB\r\nc\n'],
    ['a\nb\r\nc\n', 'b⟦\\r⟧\nc', 'B⟦\\r⟧\nc', 'a\nB\r\nc\n'],
    ['int a3;\n\fint b;\n', 'int a3;\n⟦\\f⟧int b;', 'int a3;\n⟦\\f⟧int c;', 'int a3;\n\fint c;\n'],
    ['int a3;\n\fint b;\n', '\fint b', '\fint c', 'int a3;\n\fint c;\n'],
    ['s = "⟦\\f⟧";\n', 's = "⟦\\f⟧"', 't = "⟦\\f⟧"', 't = "⟦\\f⟧";\n'],
    ['s = "⟦\\f⟧";\n', 's = "⟦\\u27e6⟧\\f⟧"', 't = "⟦\\u27e6⟧\\f⟧"', 't = "⟦\\f⟧";\n'],
    ['a\nb\r\nc\nd\r\n', 'a\nb\nc\nd', 'X\na\nb\nc\nD', 'X\na\nb\r\nc\nD\r\n'],
    ['a\nb\r\nc\nd\r\n', 'a\nb\nc\nd', 'b\nc\nD', 'b\r\nc\nD\r\n'],
    ['\ufeffa\nb\n', 'a', '\ufeffA', '\ufeffA\nb\n'],
    ['int a;\n\fint b;\n', 'int b;', 'int b;\n⟦\\f⟧int c;', 'int a;\n\fint b;\n\fint c;\n'],
    ['a\nb\n', 'b', 'b⟦\\f⟧', 'a\nb⟦\\f⟧\n'],
    ['a // \rb\nc\n', 'a // ⟦\\r⟧b', 'a\nb', 'a\nb\nc\n'],
  ])('%j: %j → %j', (text, oldString, newString, wanted) => {
    expect(edited(text, oldString, newString)).toBe(wanted)
  })

  test('an edit that would leave half of a character is refused', () => {
    expect([edited('x\u{1f600}y', '⟦\\ud83d⟧', 'z'), edited('a\f', 'a⟦\\f⟧', '⟦\\ud83d⟧')]).toEqual([
      expect.stringContaining('half of a character'),
      expect.stringContaining('half of a character'),
    ])
    expect(edited('x\u{1f600}y', '\u{1f600}', '\u{1f601}')).toBe('x\u{1f601}y')
  })

  test('a form that is in the file as character and as plain text is refused until it is clear which', () => {
    const text = 'a\f\na⟦\\f⟧\n'
    expect(edited(text, 'a⟦\\f⟧', 'b')).toContain('has both')
    expect(edited(text, 'a\f', 'b')).toBe('b\na⟦\\f⟧\n')
    expect(edited(text, 'a⟦\\u27e6⟧\\f⟧', 'b')).toBe('a\f\nb\n')
  })

  const odd = fc.string({
    unit: fc.constantFrom(
      'a',
      'b',
      '\n',
      '\r\n',
      '\r',
      '\f',
      '⟦\\f⟧',
      '\u2028',
      '\ufeff',
      '\ud83d\ude00',
      '\ud83d\ude01',
      ' ',
    ),
    maxLength: 40,
  })
  const lines = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n', '\r\n', '\t'), maxLength: 40 })

  test('every byte outside the place stays, whatever the file looks like', () => {
    fc.assert(
      fc.property(odd, fc.nat(), fc.nat(), odd, (text, one, other, newString) => {
        const plain = new PlainText(text)
        const [from, to] = [one % (plain.text.length + 1), other % (plain.text.length + 1)].sort((a, b) => a - b)
        const [start, end] = [plain.originalOffset(from ?? 0), plain.originalOffset(to ?? 0)]
        const oldString = text.slice(start, end)
        const part = plain.text.slice(from, to)
        fc.pre(part !== '' && plain.text.indexOf(part) === plain.text.lastIndexOf(part) && oldString !== newString)
        fc.pre(!/⟦|\\/.test(oldString + newString))
        fc.pre(`${text.slice(0, start)}${newString}${text.slice(end)}`.isWellFormed())
        const found = findReplacement(text, { oldString, newString, replaceAll: false })
        if (!found.ok) throw new Error(found.message)
        expect(found.text.startsWith(text.slice(0, start))).toBe(true)
        expect(found.text.endsWith(text.slice(end))).toBe(true)
        // So it is in bytes, whatever the encoding.
        for (const encoding of ['utf-8', 'utf-16le', 'utf-16be'] as const) {
          const bytes = encodeText(found.text, encoding)
          expect(decodeText(bytes, encoding)).toEqual({ text: found.text, isExact: true })
          const kept = encodeText(text.slice(end), encoding)
          if (text.slice(end).isWellFormed()) expect(bytes.subarray(bytes.length - kept.length).equals(kept)).toBe(true)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('what read shows of a unique line is accepted, and the lines around it keep their bytes', () => {
    fc.assert(
      fc.property(odd, odd, odd, (before, middle, after) => {
        const line = middle.replaceAll(/[\r\n]/g, '')
        const text = `${before}\nKEY${line}KEY\n${after}`
        const shown = showCharacters(`KEY${line}KEY`)
        fc.pre(line === '' || !`${before}\n${after}`.includes(`KEY`))
        const found = findReplacement(text, { oldString: shown, newString: 'new', replaceAll: false })
        // A line that holds both a form as text and what would be read as one may be refused, never be mistaken.
        if (!found.ok) {
          expect(found.message).toContain('has both')
          return
        }
        expect(found.text).toBe(`${before}\nnew\n${after}`)
      }),
      { numRuns: 2_000 },
    )
  })

  test('an edit to a text and back gives the very bytes again', () => {
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const text = `${before}KEY${after}`
        expect(edited(edited(text, 'KEY', 'LOCK'), 'LOCK', 'KEY')).toBe(text)
      }),
    )
  })
})

describe('the shown form', () => {
  test.each([
    ['a\rb', 'a⟦\\r⟧b'],
    ['\f\v\b', '⟦\\f⟧⟦\\v⟧⟦\\b⟧'],
    ['\u001b[31m\u0085\0', '⟦\\x1b⟧[31m⟦\\x85⟧⟦\\x00⟧'],
    ['\u2028\u00a0\u202e\ufeff', '⟦\\u2028⟧⟦\\xa0⟧⟦\\u202e⟧⟦\\ufeff⟧'],
    ['a\tb "\\r" ⟦x⟧ \u{1f468}\u200d\u{1f469}', 'a\tb "\\r" ⟦x⟧ \u{1f468}\u200d\u{1f469}'],
    ['⟦\\r⟧', '⟦\\u27e6⟧\\r⟧'],
  ])('%j is %s', (text, shown) => {
    expect([showCharacters(text), readShown(shown)]).toEqual([shown, text])
  })

  test('stands for one text only, holds nothing unseen, and is read back', () => {
    const hostile = fc.string({ unit: fc.constantFrom('⟦', '\\', 'r', '⟧', '\r', 'x1b', 'u27e6', '\u001b', '\ud800') })
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
        const shown = showCharacters(text)
        expect(readShown(shown)).toBe(text)
        expect(shown).not.toMatch(/(?![\t\n])\p{Cc}|\p{Surrogate}/u)
      }),
    )
  })
})

describe('write keeps the form of the file', () => {
  test.each([
    ['one\r\ntwo\r\n', 'one\n2\nthree\n', 'one\r\n2\r\nthree\r\n'],
    ['\ufeffusing A;\r\nclass B {}\r\n', 'using A;\nclass Z {}\n', '\ufeffusing A;\r\nclass Z {}\r\n'],
    ['\ufeffa\nb\n', 'a\nB\n', '\ufeffa\nB\n'],
    ['a\rb\r', 'a\nc\n', 'a\rc\r'],
    ['a\nb\r\nc\nd\n', 'a\nb\nX\nd\n', 'a\nb\r\nX\nd\n'],
    ['a\nb\r\nc\nd\r\ne\n', 'A\na\nb\nc\nd\nE\n', 'A\na\nb\r\nc\nd\r\nE\n'],
    ['a\n', 'a\r\nb\r\n', 'a\r\nb\r\n'],
    ['', 'a\nb\n', 'a\nb\n'],
    ['a\f\n', 'a⟦\\f⟧\nb\n', 'a\f\nb\n'],
    ['a⟦\\f⟧\f\n', 'a⟦\\f⟧\nb\n', 'a⟦\\f⟧\nb\n'],
  ])('%j ← %j', (before, content, wanted) => {
    const file = { text: before, encoding: 'utf-8', sha256: '', isExact: true } as const
    expect(contentInFormOf(file, content).text).toBe(wanted)
  })

  test('a file written with its own lines is the same file, and the content of one form twice the same', () => {
    const lines = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r\n'), maxLength: 40 })
    fc.assert(
      fc.property(lines, lines, (before, other) => {
        expect(inLineEndsOf(before, new PlainText(before).text)).toBe(before)
        const kind = lineEndOf(countLineEnds(before))
        const written = inLineEndsOf(before, new PlainText(other).text)
        if (kind === '\r\n') expect(countLineEnds(written).lf).toBe(0)
        expect(new PlainText(written).text).toBe(new PlainText(other).text)
      }),
    )
  })
})

test('each line that stays keeps its own end, whatever is put in, taken out or changed around it', () => {
  const ends = fc.constantFrom('\n', '\r\n')
  // Each line is named once, so that which of them stay is beyond doubt.
  const lines = fc.array(fc.record({ end: ends, fate: fc.constantFrom('stays', 'goes', 'changes', 'gets one more') }), {
    minLength: 1,
    maxLength: 12,
  })
  fc.assert(
    fc.property(lines, fc.boolean(), (given, isLastOpen) => {
      const names = given.map((_line, at) => `line ${at}`)
      const whole = given.map(({ end }, at) => `${names[at]}${end}`).join('')
      const before = isLastOpen ? whole.replace(/\r?\n$/, '') : whole
      const put = given.flatMap(({ fate }, at): string[] => {
        if (fate === 'goes') return []
        if (fate === 'changes') return [`other ${at}`]
        return fate === 'stays' ? [names[at] ?? ''] : [`new ${at}`, names[at] ?? '']
      })
      const content = `${put.join('\n')}${isLastOpen || put.length === 0 ? '' : '\n'}`
      const edit = edited(before, new PlainText(before).text, content)
      fc.pre(content !== new PlainText(before).text && content !== '')
      for (const after of [edit, inLineEndsOf(before, content)]) {
        expect(new PlainText(after).text).toBe(content)
        const endOf = (text: string, name: string) => new RegExp(`${name}(\r\n|\n|$)`).exec(text)?.[1]
        for (const name of put.filter((line) => names.includes(line)))
          if (endOf(after, name) !== '' && endOf(before, name) !== '')
            expect([name, endOf(after, name)]).toEqual([name, endOf(before, name)])
      }
    }),
    { numRuns: 500 },
  )
})

describe('encodings', () => {
  const bytes = (...values: number[]) => Buffer.from(values)
  test.each([
    ['UTF-8', Buffer.from('é\n'), { kind: 'text', encoding: 'utf-8' }],
    ['UTF-16LE', bytes(0xff, 0xfe, 0x68, 0), { kind: 'text', encoding: 'utf-16le' }],
    ['UTF-16BE', bytes(0xfe, 0xff, 0, 0x68), { kind: 'text', encoding: 'utf-16be' }],
    ['UTF-32', bytes(0xff, 0xfe, 0, 0, 0x68, 0, 0, 0), { kind: 'other', name: 'UTF-32', iconv: 'UTF-32' }],
    [
      'UTF-16 without a mark',
      Buffer.from('hello\n', 'utf16le'),
      { kind: 'other', name: 'UTF-16 without a byte order mark', iconv: 'UTF-16LE' },
    ],
    ['a program', bytes(0x7f, 0x45, 0x4c, 0x46, 0, 0, 0, 1, 2, 3), { kind: 'other', name: 'binary', iconv: null }],
  ])('%s', (_what, data, wanted) => {
    expect(encodingOf(data)).toEqual(wanted)
  })

  test('every text comes back byte for byte, also when it is read in pieces that cut its characters', () => {
    const encodings = fc.constantFrom<TextEncoding>('utf-8', 'utf-16le', 'utf-16be')
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        encodings,
        fc.integer({ min: 1, max: 7 }),
        (text, encoding, size) => {
          const whole = encodeText(text, encoding)
          expect(decodeText(whole, encoding)).toEqual({ text, isExact: true })
          const stream = new TextStream(encoding)
          let read = ''
          for (let at = 0; at < whole.length; at += size) read += stream.push(whole.subarray(at, at + size), false)
          read += stream.push(Buffer.alloc(0), true)
          expect([read, stream.isExact]).toEqual([text, true])
        },
      ),
    )
  })

  test('bytes that are no character make a text inexact, also at a cut', () => {
    const stream = new TextStream('utf-8')
    expect([stream.push(bytes(0x61, 0xe9), false), stream.push(bytes(0x0a), true), stream.isExact]).toEqual([
      'a',
      '\ufffd\n',
      false,
    ])
    expect(decodeText(bytes(0xff, 0xfe, 0x00, 0xd8), 'utf-16le').isExact).toBe(false)
  })
})
