import { execFileSync } from 'node:child_process'
import { mkdirSync, statfsSync } from 'node:fs'

/** A file system of its own in memory that can be made full. */
export interface Volume {
  /** Leaves no free page. */
  fill(): void
  empty(): void
  remove(): void
}

const SIZE_BYTES = 2 * 1024 ** 3

/** Mounts a tmpfs at `path`, which must be empty; null when this user may not mount (no root, no capability). */
export function mountVolume(path: string): Volume | null {
  mkdirSync(path, { recursive: true })
  const resize = (bytes: number): void => void execFileSync('mount', ['-o', `remount,size=${bytes}`, path])
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_BYTES},mode=0711`, 'tmpfs', path], { stdio: 'ignore' })
  } catch {
    return null
  }
  return {
    fill() {
      const { blocks, bfree, bsize } = statfsSync(path)
      resize((blocks - bfree) * bsize)
    },
    empty: () => resize(SIZE_BYTES),
    // Lazily: a process that is just ending may still hold a file.
    remove: () => void execFileSync('umount', ['-l', path]),
  }
}
