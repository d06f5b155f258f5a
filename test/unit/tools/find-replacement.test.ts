import { describe, expect, test } from 'vitest'
import { findReplacement, lineNumberAt } from '../../../src/tools/find-replacement.ts'

const replace = (text: string, oldString: string, newString: string, replaceAll = false) =>
  findReplacement(text, { oldString, newString, replaceAll })

describe('findReplacement', () => {
  test('a unique exact match is replaced', () => {
    expect(replace('a b c', 'b', 'x')).toEqual({
      ok: true,
      text: 'a x c',
      inserted: 'x',
      at: 2,
      count: 1,
      approximate: null,
    })
  })

  test('the replacement is literal, dollar signs included', () => {
    expect(replace('a b c', 'b', "$& $1 $' $$")).toMatchObject({ ok: true, text: "a $& $1 $' $$ c" })
  })

  test('two matches are refused with their lines', () => {
    expect(replace('x\ny\nx\n', 'x', 'z')).toEqual({
      ok: false,
      message:
        'old_string stands 2 times in the file (lines 1, 3). Add surrounding lines until it is unique, or set replace_all.',
    })
  })

  test('replace_all replaces every match and counts them', () => {
    expect(replace('x y x', 'x', 'xx', true)).toEqual({
      ok: true,
      text: 'xx y xx',
      inserted: 'xx',
      at: 0,
      count: 2,
      approximate: null,
    })
  })

  test('line feeds match the line ends of a Windows file, which stay as they are', () => {
    expect(replace('a\r\nb\r\nc\r\n', 'a\nb', 'x\ny')).toMatchObject({
      ok: true,
      text: 'x\r\ny\r\nc\r\n',
      approximate: null,
    })
  })

  test('trailing space is ignored for whole lines, and the result says so', () => {
    const found = replace('one  \ntwo\t\nthree\n', 'one\ntwo\n', 'ONE\n')
    expect(found).toEqual({
      ok: true,
      text: 'ONE\nthree\n',
      inserted: 'ONE\n',
      at: 0,
      count: 1,
      approximate: expect.stringContaining('trailing spaces'),
    })
  })

  test('typographic quotes are ignored for whole lines', () => {
    expect(replace('say “hi”\nx', 'say "hi"', 'say "ho"')).toMatchObject({ ok: true, text: 'say "ho"\nx' })
  })

  test('an approximate match in two places is refused', () => {
    expect(replace('a \nb\na  \n', 'a\t', 'x')).toMatchObject({
      ok: false,
      message: expect.stringContaining('more than one place'),
    })
  })

  test('an approximate match never applies to a part of a line', () => {
    expect(replace('let a = “x” + 1', 'a = "x"', 'b')).toMatchObject({ ok: false })
  })

  test('a last line without line end can be replaced and removed', () => {
    expect(replace('a\nb ', 'a\nb\n', 'c')).toMatchObject({ ok: true, text: 'c' })
    expect(replace('a \r\nb \r\n', 'a\nb', 'c')).toMatchObject({ ok: true, text: 'c\r\n' })
  })

  test('line numbers copied from read are named as the mistake', () => {
    expect(replace('foo\nbar\n', '     1\tfoo\n     2\tbar', 'x')).toMatchObject({
      ok: false,
      message: expect.stringContaining('line numbers'),
    })
  })

  test('wrong indentation is hinted at, with the line', () => {
    expect(replace('a\n    if (x)\n', '  if (x)\n  y', 'z')).toMatchObject({
      ok: false,
      message: expect.stringContaining('line 2'),
    })
  })
})

test('line numbers count from 1 and a line feed belongs to its own line', () => {
  expect([0, 1, 2, 3].map((offset) => lineNumberAt('a\nb\n', offset))).toEqual([1, 1, 2, 2])
})
