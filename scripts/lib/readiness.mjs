const TIMEOUT_MS = 5_000

/**
 * What the server says about the health of each part.
 *
 * @typedef {object} Readiness
 * @property {boolean} ready
 * @property {Record<string, string>} parts
 * @property {Sandbox | undefined} sandbox undefined while the server has not looked yet
 */

/**
 * What protects this host from commands.
 *
 * @typedef {object} Sandbox
 * @property {string} kind
 * @property {boolean} ok
 * @property {string} detail
 * @property {readonly { name: string, holds: boolean, by: string, detail: string }[]} protections
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
    const body = await response.json()
    return { ready: response.ok, parts: partsOf(body), sandbox: sandboxOf(body) }
  } catch (error) {
    return {
      ready: false,
      sandbox: undefined,
      parts: { server: error instanceof Error ? error.message : String(error) },
    }
  }
}

/**
 * @param {unknown} body
 * @returns {Sandbox | undefined}
 */
function sandboxOf(body) {
  const sandbox = isRecord(body) ? body['sandbox'] : undefined
  if (!isRecord(sandbox)) return undefined
  const rows = Array.isArray(sandbox['protections']) ? sandbox['protections'].filter(isRecord) : []
  const textIn = (/** @type {Record<string, unknown>} */ from, /** @type {string} */ name) => {
    const value = from[name]
    return typeof value === 'string' ? value : ''
  }
  return {
    kind: textIn(sandbox, 'kind'),
    ok: sandbox['ok'] === true,
    detail: textIn(sandbox, 'detail'),
    protections: rows.map((row) => ({
      name: textIn(row, 'name'),
      holds: row['holds'] === true,
      by: textIn(row, 'by'),
      detail: textIn(row, 'detail'),
    })),
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
