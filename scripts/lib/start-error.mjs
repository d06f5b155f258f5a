/**
 * A start that cannot go on. `message` is one sentence for a person; `detail` is what helps to understand it, usually
 * the last lines of a log. Entry scripts print both and exit with 1; nothing catches it to try again.
 */
export class StartError extends Error {
  /**
   * @param {string} message
   * @param {{ detail?: string | undefined, cause?: unknown }} [options]
   */
  constructor(message, options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StartError'
    /** @type {string | undefined} */
    this.detail = options.detail
  }
}
