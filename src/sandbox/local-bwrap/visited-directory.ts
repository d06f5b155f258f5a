import type { Stats } from 'node:fs'
import { type ByteName, type OpenDirectory, openChild, statChild } from './descriptors.ts'

/**
 * A directory that the walk is in, opened when something in it is looked at by descriptor: most are as they were, and their
 * files are told by their numbers alone.
 */
export class VisitedDirectory {
  readonly #openIt: () => OpenDirectory | null
  #opened: OpenDirectory | null | undefined

  constructor(openIt: () => OpenDirectory | null) {
    this.#openIt = openIt
  }

  /** Null when it cannot be had. The same one each time. */
  open(): OpenDirectory | null {
    if (this.#opened === undefined) this.#opened = this.#openIt()
    return this.#opened
  }

  child(name: ByteName): VisitedDirectory {
    return new VisitedDirectory(() => {
      const here = this.open()
      return here === null ? null : openChild(here, name)
    })
  }

  stat(name: ByteName): Stats | null {
    const here = this.open()
    return here === null ? null : statChild(here, name)
  }

  close(): void {
    this.#opened?.close()
  }
}
