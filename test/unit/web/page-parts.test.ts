import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { insertMention, matchPaths, mentionAt } from '../../../src/web/composer/mention.ts'
import { readUpload } from '../../../src/web/navigation/read-upload.ts'
import { PANEL_NAMES, REVIEW_VIEWS } from '../../../src/web/panels/panel.ts'
import { formatRoute, HOME, parseRoute, type Route } from '../../../src/web/routing/route.ts'
import { backoffMs } from '../../../src/web/store/stream.ts'
import { summarizeTool } from '../../../src/web/thread/tool-summary.ts'
import { formatCost, formatDuration } from '../../../src/web/ui/format.ts'

const id = fc.stringMatching(/^[\w.:-]{1,40}$/).filter((text) => text !== '.' && text !== '..')
const place: fc.Arbitrary<Route> = fc.record({
  projectId: id,
  conversationId: fc.option(id),
  target: fc.option(
    fc.record(
      {
        panel: fc.constantFrom(...PANEL_NAMES),
        taskId: id,
        file: fc.string({ minLength: 1, maxLength: 80, unit: 'grapheme' }),
        line: fc.nat(1_000_000),
        round: fc.nat(9),
        view: fc.constantFrom(...REVIEW_VIEWS),
      },
      { requiredKeys: ['panel'] },
    ),
  ),
})

describe('addresses', () => {
  test('lead back to every place that they were made for', () => {
    fc.assert(
      fc.property(place, (route) => {
        const url = new URL(formatRoute(route), 'http://page')
        expect(parseRoute(url.pathname, url.search)).toEqual(route)
      }),
    )
  })

  test('that name nothing lead home', () => {
    const paths = ['/', '/p', '/p/', '/p/%00', '/p/%E0%A4%A', '/q/x', '/p/a b', '/p/a/c/b/d']
    expect(paths.map((path) => parseRoute(path, '?tab=changes'))).toEqual(paths.map(() => HOME))
    expect(parseRoute('/p/a', '?tab=nothing&line=x').target).toBeNull()
  })
})

describe('naming a file with @', () => {
  test('takes what is typed before the caret and puts the path in its place', () => {
    const mention = mentionAt('look at @src/sp please', 15)
    expect(mention).toEqual({ start: 8, query: 'src/sp' })
    expect(mention && insertMention('look at @src/sp please', mention, 'src/split.js')).toEqual({
      text: 'look at @src/split.js please',
      caret: 21,
    })
    expect([mentionAt('a@b.example', 11), mentionAt('x', 1), mentionAt('@', 1)]).toEqual([
      null,
      null,
      { start: 0, query: '' },
    ])
  })

  test('offers files whose name begins with it first', () => {
    const paths = ['docs/split-notes.md', 'src/unsplit.js', 'src/split.js', 'readme.md']
    expect(matchPaths(paths, 'split')).toEqual(['src/split.js', 'docs/split-notes.md', 'src/unsplit.js'])
  })
})

test('a question and a plan read as what they say, not as the names of tools', () => {
  const items = [
    { text: 'Look', state: 'done' },
    { text: 'Paint', state: 'in_progress' },
  ]
  const lines = [
    summarizeTool('ask', { question: 'Which colour?\nSay.' }, null),
    summarizeTool('plan', { items }, null),
    summarizeTool('plan', { items: [items[0], 'no step'] }, null),
  ]
  expect(lines.map(({ verb, target }) => `${verb} ${target}`)).toEqual([
    'Ask Which colour? …',
    'Plan Paint',
    'Plan 1 step',
  ])
})

test('an upload takes text that fits and names what it left out', async () => {
  const file = (webkitRelativePath: string, content: string | Uint8Array) => {
    const data = typeof content === 'string' ? new TextEncoder().encode(content) : content
    const name = webkitRelativePath.split('/').at(-1) ?? ''
    return { name, webkitRelativePath, size: data.length, arrayBuffer: async () => Uint8Array.from(data).buffer }
  }
  const upload = await readUpload([
    file('app/src/a.js', 'a()'),
    file('app/node_modules/x/index.js', 'x'),
    file('app/logo.png', new Uint8Array([0x89, 0x50, 0, 0xff])),
    file('app/huge.txt', 'x'.repeat(1_000_000)),
  ])
  expect(upload).toEqual({
    files: { 'src/a.js': 'a()' },
    leftOut: [
      { path: 'node_modules/x/index.js', why: 'is made by tools' },
      { path: 'logo.png', why: 'is not text' },
      { path: 'huge.txt', why: 'all together would be too large; use a git URL' },
    ],
  })
})

test('a lost stream comes back between half a second and ten seconds later', () => {
  const longest = Array.from({ length: 8 }, (_, failures) => backoffMs(failures, () => 1))
  expect(longest).toEqual([500, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000])
  expect(backoffMs(1, () => 0)).toBe(250)
})

test('figures read as people write them', () => {
  expect([4, 420, 9_960, 61_000, 3_720_000].map(formatDuration)).toEqual([
    '4 ms',
    '0.4 s',
    '10.0 s',
    '1 min 1 s',
    '1 h 2 min',
  ])
  expect([null, 0, 0.0042, 1.5].map(formatCost)).toEqual(['unpriced', '$0', '$0.0042', '$1.50'])
})
