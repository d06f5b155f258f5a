const TIMEOUT_MS = 5_000

/**
 * What the server says about the health of each part.
 *
 * @typedef {object} Readiness
 * @property {boolean} ready
 * @property {Record<string, string>} parts
 */

/**
 * Asks `/readyz`. A server that cannot be asked counts as not ready.
 *
 * @param {import('./state.mjs').State} state
 * @returns {Promise<Readiness>}
 */
export async function readReadiness(state) {
  try {
    const response = await fetch(`${state.url}/readyz`, {
      headers: { authorization: `Bearer ${state.apiToken}` },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    return { ready: response.ok, parts: partsOf(await response.json()) }
  } catch (error) {
    return { ready: false, parts: { server: error instanceof Error ? error.message : String(error) } }
  }
}

/**
 * @param {unknown} body
 * @returns {Record<string, string>}
 */
function partsOf(body) {
  const record = isRecord(body) ? body : {}
  const parts = isRecord(record['parts']) ? record['parts'] : record
  return Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, textOf(value)]))
}

/**
 * @param {unknown} value
 * @returns {string}
 */
function textOf(value) {
  if (!isRecord(value)) return String(value)
  return Object.values(value).map(String).join(' ')
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
