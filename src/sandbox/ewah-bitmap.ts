/** A set of positions that a file of git's holds in compressed form. */
interface Bitmap {
  /** Whether position `at`, counted from 0, is in the set. */
  has(at: number): boolean
}

const WORD_BITS = 64
const HEADER_BYTES = 8
const WORD_BYTES = 8
const TRAILER_BYTES = 4

/**
 * Reads one EWAH bitmap that begins at `from`, of at most `maxBits` bits. Throws `RangeError` when the data ends before it
 * does, or when it has more bits. Pure. Source: bitmap-format, appendix on EWAH serialisation.
 */
export function readEwahBitmap(data: Buffer, from: number, maxBits: number): Bitmap {
  const bits = data.readUInt32BE(from)
  const words = data.readUInt32BE(from + 4)
  const first = from + HEADER_BYTES
  const next = first + words * WORD_BYTES + TRAILER_BYTES
  if (bits > maxBits || next > data.length) throw new RangeError('a bitmap of another length than said')
  const set = new Uint8Array(bits)
  let at = 0
  for (let word = 0; word < words; ) {
    const marker = first + word * WORD_BYTES
    const [high, low] = [data.readUInt32BE(marker), data.readUInt32BE(marker + 4)]
    const runWords = (low >>> 1) + (high & 1) * 2 ** 31
    const literals = high >>> 1
    const end = Math.min(bits, at + runWords * WORD_BITS)
    if ((low & 1) === 1) set.fill(1, at, end)
    at = end
    const last = word + 1 + literals
    if (last > words) throw new RangeError('a bitmap with fewer words than said')
    for (word++; word < last; word++) {
      const place = first + word * WORD_BYTES
      for (let bit = 0; bit < WORD_BITS && at < bits; bit++, at++) {
        const half = data.readUInt32BE(bit < 32 ? place + 4 : place)
        set[at] = (half >>> (bit % 32)) & 1
      }
    }
  }
  return { has: (position) => set[position] === 1 }
}
