import { expect, test } from 'vitest'
import { readUpload } from '../../../src/web/navigation/read-upload.ts'

test('of a chosen folder source is taken whatever its directory is called, and what tools made is named', async () => {
  const file = (path: string) => {
    const bytes = new TextEncoder().encode(path)
    const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
    const name = path.slice(path.lastIndexOf('/') + 1)
    return { name, size: data.byteLength, webkitRelativePath: `shop/${path}`, arrayBuffer: () => Promise.resolve(data) }
  }
  const paths = [
    'package.json',
    'src/build/core.ts',
    'src/target/aim.ts',
    'dist/made.js',
    'node_modules/a/i.js',
    '.git/HEAD',
  ]
  const { files, leftOut } = await readUpload(paths.map(file))
  expect([Object.keys(files), leftOut]).toEqual([
    paths.slice(0, 3),
    paths.slice(3).map((path) => ({ path, why: 'is made by tools' })),
  ])
})
