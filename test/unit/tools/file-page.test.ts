import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { readFilePage } from '../../../src/tools/file-page.ts'
import { countLineEnds, lineEndOf, PlainText } from '../../../src/tools/line-ends.ts'
import { linesOf } from '../../../src/tools/numbered-lines.ts'

/** Gives at most so many bytes at a time, whatever is asked for: pieces may end anywhere. */
function aFile(text: string, mostBytes: number): Pick<Sandbox, 'read'> {
  const data = Buffer.from(text)
  return {
    read: async (_path, { offset = 0 } = {}) => ({
      data: data.subarray(offset, offset + mostBytes),
      sizeBytes: data.length,
    }),
  }
}

test('a file read in pieces has the lines that it has as a whole, wherever the pieces end', async () => {
  const texts = fc.array(fc.constantFrom('a', 'é', 'bc', '\n', '\r\n', '\r', '\ud83d\ude00'), { maxLength: 30 })
  await fc.assert(
    fc.asyncProperty(texts, fc.integer({ min: 1, max: 9 }), async (parts, size) => {
      const text = parts.join('')
      const page = await readFilePage(aFile(text, size), 'f', { first: 1, limit: 100, maxChars: 10_000 })
      const kind = lineEndOf(countLineEnds(text))
      // Whether a lone CR ends lines is decided by the first piece; this is about all other files.
      fc.pre(countLineEnds(text).cr === 0)
      const whole = linesOf(new PlainText(text).text)
      expect(page).toMatchObject({
        kind: 'page',
        totalLines: whole.length,
        isExact: true,
        lineEnds: countLineEnds(text),
      })
      const lines = page.kind === 'page' ? page.lines.map((line) => line.text) : []
      expect(kind === 'mixed' ? lines.map((line) => line.replace(/\r$/, '')) : lines).toEqual(whole)
    }),
    { numRuns: 500 },
  )
})
