import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addFacts, type Fact, MAX_FACTS, refusalNote, rememberedText } from '../../../src/shared/memory.ts'

const fact = (text: string): Fact => ({ id: `fct_${text}`, text, createdAt: '2026-01-01T00:00:00.000Z' })

describe('rememberedText', () => {
  test.each<[string, string | null]>([
    ['remember: tabs', 'tabs'],
    ['  Remember:tabs  and\tspaces  ', 'tabs and spaces'],
    ['\r\n \n REMEMBER: one\r\nremember: two\n', 'one'],
    [`${'\r'.repeat(100_000)}remember: late`, 'late'],
    ['First\nremember: two', null],
    ['```\nremember: x\n```', null],
    ['```md\nremember: x\n```', null],
    ['~~~\nremember: x', null],
    ['> remember: x', null],
    ['- remember: x', null],
    ['    remember: x', null],
    ['\tremember: x', null],
    [' \tremember: x', null],
    ['one\rremember: two\u2028remember: three', null],
    ['remember:\ntabs', null],
    ['remember:   ', null],
    ['please remember: tabs', null],
    ['remember tabs', null],
    ['', null],
  ])('%j gives %j', (message, text) => {
    expect(rememberedText(message)).toBe(text)
  })
})

describe('addFacts', () => {
  test('keeps the order, ignores what is known in whatever case, and refuses what does not fit', () => {
    const before = Array.from({ length: MAX_FACTS - 1 }, (_, index) => fact(`known ${index}`))
    const long = 'é'.repeat(501)
    const result = addFacts(before, ['KNOWN 3', long, 'é'.repeat(500), 'late'], fact)
    expect(result.added.map(({ text }) => text)).toEqual(['é'.repeat(500)])
    expect(result.refused).toEqual([
      { text: `${'é'.repeat(79)}…`, why: 'too_long' },
      { text: 'late', why: 'too_many' },
    ])
    expect(result.facts).toEqual([...before, ...result.added])
  })

  test('loses nothing: every text is known, added or refused, and adding twice adds nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 12 }), { maxLength: 150 }), (texts) => {
        const { facts, added, refused } = addFacts([], texts, fact)
        const known = new Set(facts.map(({ text }) => text.toLowerCase()))
        const missing = texts.filter((text) => !known.has(text.toLowerCase()))
        expect([missing.length, added.length, facts.length <= MAX_FACTS]).toEqual([refused.length, facts.length, true])
        expect(addFacts(facts, texts, fact).added).toEqual([])
      }),
    )
  })
})

test('a note names at most ten refused lines and counts the rest', () => {
  const refused = Array.from({ length: 12 }, (_, index) => ({ text: `line ${index}`, why: 'too_many' as const }))
  const lines = refusalNote(refused).split('\n')
  expect([lines.length, lines[1], lines.at(-1)]).toEqual([
    12,
    '- line 0 (100 facts are remembered already; remove some first)',
    '- and 2 more',
  ])
})
