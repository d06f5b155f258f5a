import { lchownSync, statSync } from 'node:fs'

/**
 * Gives what a process of root made to the owner of a directory, whose commands or runner are to work with it. An ordinary
 * user's files are its own already: then nothing happens. Does not follow a link. Throws what the file system says. Safe to
 * repeat.
 */
export function giveToOwnerOf(directory: string, made: string | Buffer): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = statSync(directory)
  if (uid !== 0 || gid !== 0) lchownSync(made, uid, gid)
}
