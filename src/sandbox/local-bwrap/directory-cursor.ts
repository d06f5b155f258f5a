import { chmodSync, lchownSync, mkdirSync } from 'node:fs'
import { AppError } from '../../shared/errors.ts'
import { type ByteName, ifPossible, type OpenDirectory, openChild, openRoot, toFsPath, toShown } from './descriptors.ts'

const OWNER = 0o700

/**
 * One place in a workspace at a time, reached by descriptors from directory to directory, so that neither the length of a
 * path nor what a command renames meanwhile matters. Neighbours cost one step. Call `close` at the end.
 */
export class DirectoryCursor {
  /** The permissions that directories had before `unlock` changed them, by path. */
  readonly unlocked = new Map<ByteName, number>()
  readonly #open: { readonly name: ByteName; readonly directory: OpenDirectory }[] = []
  readonly #root: OpenDirectory

  constructor(workspace: string) {
    const root = openRoot(workspace)
    if (root === null) throw new AppError('sandbox_gone', 'the workspace does not exist any more')
    this.#root = root
  }

  close(): void {
    for (const { directory } of this.#open.reverse()) directory.close()
    this.#open.length = 0
    this.#root.close()
  }

  /** The directory at this path, null when there is none (a link is none). Valid until the next call. */
  enter(path: ByteName): OpenDirectory | null {
    return this.#walk(path, () => null)
  }

  /** The same; directories that are missing are made. Throws `sandbox_bad_request` when something else is in the way. */
  enterOrMake(path: ByteName): OpenDirectory {
    const directory = this.#walk(path, (parent, name) => {
      this.unlock()
      const made = toFsPath(`${parent.handle}/${name}`)
      if (ifPossible(() => makeDirectory(made)) !== true) return openChild(parent, name)
      ifPossible(() => this.give(made))
      const child = openChild(parent, name)
      // Through the descriptor, since a command may have put something else there; the umask has cut the mode.
      if (child !== null) ifPossible(() => chmodSync(child.handle, 0o755))
      return child
    })
    if (directory !== null) return directory
    throw new AppError('sandbox_bad_request', `${toShown(path)} cannot be made: a file or a broken link is in the way`)
  }

  /**
   * Lets us work in the directory that was entered last, whose owner may have taken the right to it away. Safe to repeat.
   * Whoever is done gives the directories in `unlocked` back what they had.
   */
  unlock(): void {
    const directory = this.#open.at(-1)?.directory ?? this.#root
    const mode = directory.stat.mode & 0o7777
    if ((mode & OWNER) === OWNER) return
    const path = this.#open.map(({ name }) => name).join('/')
    if (!this.unlocked.has(path)) this.unlocked.set(path, mode)
    ifPossible(() => chmodSync(directory.handle, mode | OWNER))
  }

  /** Gives what we made to the owner of the workspace, whose commands are to work with it. */
  give(path: string | Buffer): void {
    const { uid, gid } = this.#root.stat
    if (uid !== process.getuid?.() || gid !== process.getgid?.()) lchownSync(path, uid, gid)
  }

  /** Opens step by step; `missing` is asked for what is not there. */
  #walk(
    path: ByteName,
    missing: (parent: OpenDirectory, name: ByteName) => OpenDirectory | null,
  ): OpenDirectory | null {
    const names = path === '' ? [] : path.split('/')
    const shared = this.#open.findIndex((step, index) => step.name !== names[index])
    if (shared !== -1) this.#leave(shared)
    for (const name of names.slice(this.#open.length)) {
      const parent = this.#open.at(-1)?.directory ?? this.#root
      const directory = openChild(parent, name) ?? missing(parent, name)
      if (directory === null) return null
      this.#open.push({ name, directory })
    }
    return this.#open.at(-1)?.directory ?? this.#root
  }

  #leave(depth: number): void {
    for (const { directory } of this.#open.splice(depth).reverse()) directory.close()
  }
}

/** Makes a directory where nothing is; false when something is there. */
function makeDirectory(path: string | Buffer): boolean {
  try {
    mkdirSync(path, 0o755)
    return true
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    return false
  }
}
