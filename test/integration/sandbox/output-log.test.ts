import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { readEnds, readOutput } from '../../../src/sandbox/local-bwrap/job-files.ts'
import { LOG_HEAD_BYTES, LOG_TAIL_BYTES } from '../../../src/sandbox/local-bwrap/limits.ts'
import { OutputLog } from '../../../src/sandbox/local-bwrap/output-log.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'keelson-log-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('head and tail hold the first and last bytes, whatever the sizes of the pieces', () => {
  let runs = 0
  const sizes = fc.array(fc.integer({ min: 1, max: LOG_TAIL_BYTES * 2 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(fc.integer({ min: -3000, max: 10 }), sizes, (aroundHead, pieces) => {
      const jobDir = mkdtempSync(path.join(dir, `${runs++}-`))
      const log = new OutputLog(jobDir)
      const all = Buffer.alloc(LOG_HEAD_BYTES + aroundHead + pieces.reduce((sum, size) => sum + size, 0))
      for (let i = 0; i < all.length; i += 4096) all.writeUInt32LE(i, Math.min(i, all.length - 4))
      let at = LOG_HEAD_BYTES + aroundHead
      log.append(all.subarray(0, at))
      for (const size of pieces) {
        log.append(all.subarray(at, at + size))
        log.flushTail()
        at += size
      }
      log.close()
      const tailStart = Math.max(LOG_HEAD_BYTES, all.length - LOG_TAIL_BYTES)
      const head = readOutput(jobDir, 0, all.length)
      const tail = readOutput(jobDir, LOG_HEAD_BYTES, all.length)
      const ends = readEnds(jobDir, 100, LOG_TAIL_BYTES / 2, all.length)
      const expectedTail = all.length > LOG_HEAD_BYTES ? all.subarray(tailStart) : null
      expect(Buffer.compare(head?.data ?? Buffer.alloc(0), all.subarray(0, LOG_HEAD_BYTES))).toBe(0)
      expect(tail === null ? null : tail.offset).toBe(expectedTail === null ? null : tailStart)
      if (tail !== null && expectedTail !== null) expect(Buffer.compare(tail.data, expectedTail)).toBe(0)
      expect([log.droppedBytes, ends.omittedBytes + ends.head.length + ends.tail.length]).toEqual([
        all.length - Math.min(all.length, LOG_HEAD_BYTES) - (expectedTail?.length ?? 0),
        all.length,
      ])
      expect(Buffer.compare(ends.tail, all.subarray(all.length - ends.tail.length))).toBe(0)
      rmSync(jobDir, { recursive: true })
    }),
    { numRuns: 30 },
  )
})
