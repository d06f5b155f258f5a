import { expect, test } from 'vitest'
import { contentOf } from '../../../src/server/file-content.ts'

const show = (data: Buffer, offset = 0, sizeBytes = data.length) => contentOf({ data, sizeBytes }, offset)

test('a byte order mark is part of the content', () => {
  const data = Buffer.from('\ufeffusing A;\n')
  expect(show(data)).toEqual({
    sizeBytes: 12,
    encoding: 'utf-8',
    content: '\ufeffusing A;\n',
    binary: false,
    truncated: false,
  })
})

test('a range that begins or ends inside a character leaves that character out', () => {
  const euros = Buffer.from('a€€b')
  expect(show(euros.subarray(2, 6), 2, euros.length)).toMatchObject({ content: '', truncated: true, binary: false })
  expect(show(euros.subarray(0, 5), 0, euros.length)).toMatchObject({ content: 'a€', truncated: true })
})

test('what is no UTF-8, or has a NUL, is base64', () => {
  expect(show(Buffer.from('caf\u00e9', 'latin1'))).toMatchObject({ encoding: 'base64', binary: true })
  expect(show(Buffer.from('\ufeffhi', 'utf16le'))).toMatchObject({ encoding: 'base64', binary: true })
})
