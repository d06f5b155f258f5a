import fc from 'fast-check'
import { Lexer, type Token } from 'marked'
import { describe, expect, test } from 'vitest'
import { lexMarkdown } from '../../../src/web/text/lex-markdown.ts'

const typesOf = (text: string): string[] => lexMarkdown(text).blocks.map((token) => token.type)
const joined = (text: string): string => {
  const { text: normal, starts } = lexMarkdown(text)
  return starts.map((start, index) => normal.slice(start, starts[index + 1])).join('')
}

const USUAL = [
  '# Title\n\nSome *words* with `code`, [a link](https://example.org) and **bold _both_**.\n',
  '- one\n- two\n  - inner\n\n    more\n\n1. first\n2. second\n',
  '> quoted\n> > twice\n\n```ts\nconst a = 1\n\nlet b\n```\n\n---\n\n',
  '| a | b |\n| - | - |\n| `x` | *y* |\n\n<div>html</div>\n\n[ref]: https://example.org\n\nSee [ref].\n',
].join('\n')

describe('lexMarkdown', () => {
  test('gives what the Markdown rules give for texts as people and models write them', () => {
    const expected = new Lexer({ gfm: true }).lex(USUAL).filter((token) => token.type !== 'space')
    expect(lexMarkdown(USUAL).blocks).toEqual([...expected])
  })

  test('gives the same blocks when a text grows as when it is whole', () => {
    let known: ReturnType<typeof lexMarkdown> | undefined
    for (let length = 1; length <= USUAL.length; length += 7) known = lexMarkdown(USUAL.slice(0, length), known)
    const raws = (blocks: readonly Token[]): string[] => blocks.map((token) => `${token.type}:${token.raw}`)
    expect(raws(lexMarkdown(USUAL, known).blocks)).toEqual(raws(lexMarkdown(USUAL).blocks))
  })

  test('reads only the last two blocks again', () => {
    const known = lexMarkdown('one\n\ntwo\n\nthree')
    const grown = lexMarkdown('one\n\ntwo\n\nthree and\n\nfour', known)
    expect(grown.blocks.map((token, index) => token === known.blocks[index])).toEqual([true, false, false, false])
  })

  test('loses no character, whatever the text', () => {
    const piece = fc.constantFrom(
      'a',
      ' ',
      '\n',
      '*',
      '_',
      '`',
      '>',
      '-',
      '1.',
      '[',
      ']',
      '(',
      ')',
      '|',
      '#',
      '<',
      '\r\n',
      '~',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = pieces.join('')
        const spaceless = (value: string): string => value.replace(/\s/g, '')
        expect(spaceless(joined(text))).toBe(spaceless(text))
      }),
    )
  })

  test('deep quotes and lists end in text, at a depth that nobody writes', () => {
    const depthOf = (token: Token | undefined): number => {
      const inner = token as { tokens?: Token[]; items?: Token[] } | undefined
      const next = inner?.items?.[0] ?? inner?.tokens?.[0]
      return next === undefined ? 0 : 1 + depthOf(next)
    }
    for (const text of ['> '.repeat(10_000), '- '.repeat(10_000), '1. '.repeat(7_000), '> - '.repeat(5_000)]) {
      const { blocks } = lexMarkdown(`${text}a`)
      expect([blocks.length, depthOf(blocks[0]) < 60]).toEqual([1, true])
    }
    expect(typesOf('> > - 1. a')).toEqual(['blockquote'])
  })

  // Without the bounds the worst of these take 2,000 times as long as plain text, in a quarter of this length.
  test.each(
    [
      '_a',
      '__a',
      '*a',
      '**a',
      '***',
      '~a',
      '~~a',
      '`a',
      '``a`',
      '[a',
      '![a',
      '[',
      '![',
      '[a](',
      '[a](b',
      '[a][',
      '[[[]]]',
      '<a ',
      '<a',
      '<',
      '</a',
      '<!--',
      '<a b="c" ',
      '&amp',
      '\\',
      'a@',
      'a_b',
      'x~y',
      '*_',
      '_*',
      '_a *b `c [d ',
      'http://a',
      '|',
      '|a',
      '|-|-|\n',
      'a|b\n-|-\n',
      '| a | b |\n',
      '> ',
      '>',
      '>\n',
      '>a\nb\n',
      '- ',
      '- a\n',
      '- a\n b\n',
      '1. ',
      '1) ',
      '> - ',
      '- > ',
      '  - a\n',
      '#\n',
      'a\n===\n',
      '```\n',
      '~~~\n',
      '[a]: b\n',
      '[a]: ',
      '<div>\n\n',
      'a  \n',
      '\\\n',
      '\t',
      '\n',
    ].map((piece) => [piece]),
  )('80,000 characters of %j are taken apart in bounded work', (piece) => {
    const nasty = piece.repeat(Math.ceil(80_000 / piece.length))
    const fastest = (text: string): number =>
      Math.min(
        ...Array.from({ length: 3 }, () => {
          const from = performance.now()
          lexMarkdown(text)
          return performance.now() - from
        }),
      )
    // Ordinary text of the same length with lists, tables and emphasis is the measure, so that the machine's speed is none.
    const usual = USUAL.repeat(Math.ceil(80_000 / USUAL.length))
    expect(fastest(nasty) / fastest(usual)).toBeLessThan(12)
  })
})
