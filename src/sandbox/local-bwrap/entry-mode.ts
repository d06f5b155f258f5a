/**
 * Modes of a tree's entries. Git writes four of them; what git would not keep stands in the permission bits, which git
 * ignores when it reads a tree: so git compares our trees as its own, and a tree whose files have the usual modes is what
 * git itself would store.
 */

/** Octal, as it stands in a tree: `100644`, `100755`, `120000`, `40000`; with other permissions `100600`, `40700` and so on. */
export type TreeMode = string

const FORMAT_BITS = 0o170000
const DIRECTORY = 0o040000
const LINK = 0o120000
const FILE = 0o100000
/** The sticky bit says that the entry's blob names the content of a large file instead of holding it. */
const LARGE_BIT = 0o1000

function bitsOf(mode: TreeMode): number {
  return Number.parseInt(mode, 8)
}

/** The mode of a symbolic link, git's own. */
export const LINK_MODE: TreeMode = '120000'

/** The mode of a file with these permissions. Pure, as all of this file. */
export function fileMode(permissions: number, isLarge: boolean): TreeMode {
  return (FILE | (permissions & 0o777) | (isLarge ? LARGE_BIT : 0)).toString(8)
}

/** The mode of a directory; git knows only one, which stands for the usual permissions. */
export function directoryMode(permissions: number): TreeMode {
  const bits = permissions & 0o777
  return (bits === 0o755 ? DIRECTORY : DIRECTORY | bits).toString(8)
}

/** Whether an entry of this mode is a directory, whatever its permissions. */
export function isDirectoryMode(mode: TreeMode): boolean {
  return (bitsOf(mode) & FORMAT_BITS) === DIRECTORY
}

/** Whether an entry of this mode is a symbolic link. */
export function isLinkMode(mode: TreeMode): boolean {
  return (bitsOf(mode) & FORMAT_BITS) === LINK
}

/** Whether the entry's blob only names a large file's content. */
export function isLargeMode(mode: TreeMode): boolean {
  const bits = bitsOf(mode)
  return (bits & FORMAT_BITS) === FILE && (bits & LARGE_BIT) !== 0
}

/** The nine permission bits that an entry stands for. */
export function permissionsOf(mode: TreeMode): number {
  const bits = bitsOf(mode)
  return (bits & FORMAT_BITS) === DIRECTORY && (bits & 0o777) === 0 ? 0o755 : bits & 0o777
}

/** The mode as git keeps it: one of four. */
export function gitMode(mode: TreeMode): '100644' | '100755' | '120000' | '40000' {
  if (isDirectoryMode(mode)) return '40000'
  if (isLinkMode(mode)) return '120000'
  return (bitsOf(mode) & 0o100) === 0 ? '100644' : '100755'
}
