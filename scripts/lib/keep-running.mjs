import { setTimeout as sleep } from 'node:timers/promises'

const FIRST_DELAY_MS = 100
const LONGEST_DELAY_MS = 10_000
const STEADY_AFTER_MS = 30_000
const CLEAN_END = 'exit code 0'

/**
 * A part that is started again whenever it ends.
 *
 * @template {import('./child.mjs').Child} T
 * @typedef {object} KeptPart
 * @property {string} name
 * @property {() => T} current the run of now, or the last one while none is up
 * @property {() => Promise<void>} stop ends the part and the keeping; twice is safe
 */

/**
 * Starts a part and keeps it running: the first restart comes at once, later ones after twice the time of the one
 * before, at most every 10 s; half a minute of steady running forgets earlier ends, and a clean end is no failure: a
 * part that was told to end is started again at once. The first start's failure rejects, later ones are tried again for
 * ever, since stores come back.
 *
 * @template {import('./child.mjs').Child} T
 * @param {object} options
 * @param {string} options.name
 * @param {(signal: AbortSignal) => Promise<T>} options.start must leave nothing behind when
 * it rejects; called again, it must use the same address
 * @param {() => void} options.onRestart called after each restart
 * @param {import('./log.mjs').Log} options.log
 * @param {AbortSignal} options.signal ends the first start
 * @returns {Promise<KeptPart<T>>}
 */
export async function keepRunning({ name, start, onRestart, log, signal }) {
  const stopping = new AbortController()
  let current = await start(AbortSignal.any([signal, stopping.signal]))
  let failures = 0

  const restart = async () => {
    while (!stopping.signal.aborted) {
      const delayMs = failures === 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** failures, LONGEST_DELAY_MS)
      failures++
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => undefined)
      if (stopping.signal.aborted) return
      try {
        current = await start(stopping.signal)
        log.info(`${name} runs again (process ${current.pid})`)
        onRestart()
        return
      } catch (error) {
        if (!stopping.signal.aborted) log.warn(`${name}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }

  const watch = async () => {
    while (!stopping.signal.aborted) {
      const startedAt = Date.now()
      const ending = await current.exited
      if (stopping.signal.aborted) return
      if (ending === CLEAN_END || Date.now() - startedAt > STEADY_AFTER_MS) failures = 0
      log.warn(`${name} ended (${ending}); starting it again. Its log is ${current.logFile}.`)
      await restart()
    }
  }
  const watching = watch()

  return {
    name,
    current: () => current,
    async stop() {
      stopping.abort()
      await current.stop()
      await watching
      // A restart that was under way may have replaced it meanwhile.
      await current.stop()
    },
  }
}
