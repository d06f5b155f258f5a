import { gunzipSync } from 'node:zlib'

/**
 * Takes one file out of a gzipped tar archive.
 *
 * @param {Buffer} archive
 * @param {string} name the file's last path part
 * @returns {Buffer | undefined} undefined when it is not there
 */
export function readTarGzEntry(archive, name) {
  const tar = gunzipSync(archive)
  for (let at = 0; at + 512 <= tar.length; ) {
    const path = textOf(tar, at, 100)
    const size = Number.parseInt(textOf(tar, at + 124, 12).trim() || '0', 8)
    if (path === '' || !Number.isFinite(size)) return undefined
    const isFile = tar[at + 156] === 0 || tar[at + 156] === 0x30
    if (isFile && path.split('/').at(-1) === name) return tar.subarray(at + 512, at + 512 + size)
    at += 512 + Math.ceil(size / 512) * 512
  }
  return undefined
}

/**
 * @param {Buffer} tar
 * @param {number} from
 * @param {number} length
 * @returns {string} up to the first NUL
 */
function textOf(tar, from, length) {
  const text = tar.toString('utf8', from, from + length)
  const end = text.indexOf('\0')
  return end === -1 ? text : text.slice(0, end)
}
