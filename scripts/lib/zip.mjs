import { inflateRawSync } from 'node:zlib'

const END_SIGNATURE = 0x06054b50
const ENTRY_SIGNATURE = 0x02014b50

/**
 * Takes one file out of a zip archive (a Python wheel is one), so that no unzip program is needed.
 *
 * @param {Buffer} archive at most 4 GiB, not encrypted
 * @param {(name: string) => boolean} isWanted chooses by the name inside the archive; the first match is taken
 * @returns {Buffer | undefined} the file's content; undefined when no name matches
 */
export function readZipEntry(archive, isWanted) {
  const end = findEnd(archive)
  const count = archive.readUInt16LE(end + 10)
  let at = archive.readUInt32LE(end + 16)
  for (let i = 0; i < count; i++) {
    if (archive.readUInt32LE(at) !== ENTRY_SIGNATURE) throw new Error('The zip archive is damaged.')
    const nameLength = archive.readUInt16LE(at + 28)
    const name = archive.toString('utf8', at + 46, at + 46 + nameLength)
    if (isWanted(name)) return readContent(archive, at)
    at += 46 + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32)
  }
  return undefined
}

/**
 * @param {Buffer} archive
 * @returns {number} where the end record begins; a comment of up to 65,535 bytes may follow it
 */
function findEnd(archive) {
  const lowest = Math.max(0, archive.length - 22 - 65_535)
  for (let at = archive.length - 22; at >= lowest; at--) if (archive.readUInt32LE(at) === END_SIGNATURE) return at
  throw new Error('This is not a zip archive.')
}

/**
 * @param {Buffer} archive
 * @param {number} entry where the entry's record in the directory begins
 * @returns {Buffer}
 */
function readContent(archive, entry) {
  const method = archive.readUInt16LE(entry + 10)
  const packedSize = archive.readUInt32LE(entry + 20)
  const header = archive.readUInt32LE(entry + 42)
  const from = header + 30 + archive.readUInt16LE(header + 26) + archive.readUInt16LE(header + 28)
  const packed = archive.subarray(from, from + packedSize)
  if (method === 0) return packed
  if (method === 8) return inflateRawSync(packed)
  throw new Error(`The zip archive uses compression method ${method}, which is not known here.`)
}
