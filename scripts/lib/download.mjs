const CONNECT_TIMEOUT_MS = 8_000
const SILENCE_TIMEOUT_MS = 20_000
const PROGRESS_EVERY_MS = 3_000

/**
 * Downloads a file into memory, with a line of progress every few seconds. Rejects when the other side cannot be
 * reached within 8 s, falls silent for 20 s, or sends more than `maxBytes`.
 *
 * @param {string} url
 * @param {number} maxBytes
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<Buffer>}
 */
export async function download(url, maxBytes, log) {
  const abort = new AbortController()
  let timer = setTimeout(() => abort.abort(new Error('could not be reached in time')), CONNECT_TIMEOUT_MS)
  try {
    const response = await fetch(url, { signal: abort.signal })
    if (!response.ok || response.body === null) throw new Error(`answered ${response.status}`)
    const totalBytes = Number(response.headers.get('content-length') ?? 0)
    /** @type {Uint8Array[]} */
    const chunks = []
    let bytes = 0
    let toldAt = Date.now()
    for await (const chunk of response.body) {
      clearTimeout(timer)
      timer = setTimeout(() => abort.abort(new Error('fell silent')), SILENCE_TIMEOUT_MS)
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > maxBytes) throw new Error(`sent more than ${maxBytes} bytes`)
      if (Date.now() - toldAt < PROGRESS_EVERY_MS) continue
      toldAt = Date.now()
      log.info(`  ${megabytes(bytes)} of ${totalBytes === 0 ? 'unknown size' : megabytes(totalBytes)}`)
    }
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(timer)
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
