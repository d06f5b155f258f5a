/** Entries as a tar archive: GNU format, whose long names hold any bytes. */

import type { WorkspaceEntry } from '../../sandbox/types.ts'

const BLOCK = 512
const NAME_BYTES = 100
const TYPE = { file: '0', symlink: '2', directory: '5', longName: 'L', longTarget: 'K' } as const

/** Yields the archive's bytes; reads each entry once. Throws when a file turns out shorter than its entry said. */
export async function* writeTar(entries: AsyncIterable<WorkspaceEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    const isDirectory = entry.kind === 'directory'
    const name = Buffer.concat([entry.path, Buffer.from(isDirectory ? '/' : '')])
    const target = entry.kind === 'symlink' ? Buffer.from(entry.target) : Buffer.alloc(0)
    if (name.length > NAME_BYTES) yield longText(TYPE.longName, name)
    if (target.length > NAME_BYTES) yield longText(TYPE.longTarget, target)
    const size = entry.kind === 'file' ? entry.sizeBytes : 0
    const mode = entry.kind === 'symlink' ? 0o777 : entry.mode
    const mtimeMs = entry.kind === 'file' ? (entry.mtimeMs ?? 0) : 0
    yield header({ name, mode, size, mtimeMs, type: TYPE[entry.kind], target })
    if (entry.kind !== 'file') continue
    yield* exactly(entry.data, size)
    yield padding(size)
  }
  yield Buffer.alloc(2 * BLOCK)
}

/** Exactly `size` bytes, as the header has promised: a file that has grown since is cut, one that has shrunk is filled. */
async function* exactly(data: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size
  for await (const piece of data) {
    // A copy: the source uses its buffer again while this one waits to be sent.
    const part = Buffer.from(piece.subarray(0, left))
    left -= part.length
    if (part.length > 0) yield part
    if (left === 0) return
  }
  while (left > 0) {
    const fill = Buffer.alloc(Math.min(left, 64 * 1024))
    left -= fill.length
    yield fill
  }
}

function longText(type: string, text: Buffer): Buffer {
  const body = Buffer.concat([text, Buffer.alloc(1)])
  const name = Buffer.from('././@LongLink')
  const head = header({ name, mode: 0o644, size: body.length, mtimeMs: 0, type, target: Buffer.alloc(0) })
  return Buffer.concat([head, body, padding(body.length)])
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK)
}

interface Header {
  readonly name: Buffer
  readonly mode: number
  readonly size: number
  readonly mtimeMs: number
  readonly type: string
  readonly target: Buffer
}

function header({ name, mode, size, mtimeMs, type, target }: Header): Buffer {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, digits: number) =>
    block.write(Math.max(0, Math.floor(value)).toString(8).padStart(digits, '0'), at, 'latin1')
  name.copy(block, 0, 0, NAME_BYTES)
  octal(mode & 0o777, 100, 7)
  octal(0, 108, 7)
  octal(0, 116, 7)
  octal(size, 124, 11)
  octal(mtimeMs / 1000, 136, 11)
  block.write('        ', 148, 'latin1')
  block.write(type, 156, 'latin1')
  target.copy(block, 157, 0, NAME_BYTES)
  block.write('ustar  \0', 257, 'latin1')
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}
