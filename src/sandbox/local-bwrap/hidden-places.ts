/**
 * What of ours lies below a path that commands see. An installation below /usr would otherwise show them its keys, the files
 * of other projects and its sockets, whether it lies there by its own path, through a link, or by a bind mount.
 */

import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { AppError } from '../../shared/errors.ts'
import type { HostMount } from './host-view.ts'

/** A directory that no command may see. */
export interface PrivatePlace {
  /** Path on this host; one that does not exist is nothing to hide. */
  readonly path: string
  /** What it is, for people: "KEELSON_HOME". */
  readonly name: string
  /** Whether what commands see may lie in it, as the toolchains of a project's root may. */
  readonly mayHoldBinds: boolean
}

/** A mounted tree: which part of which file system is seen where. */
interface Mounted {
  readonly device: string
  /** Path within the file system. */
  readonly root: string
  readonly at: string
}

/** Reads /proc/self/mountinfo; paths in it have blanks as octal numbers. Pure. */
export function parseMounts(mountinfo: string): Mounted[] {
  const plain = (text: string) =>
    text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
  return mountinfo
    .trimEnd()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, , device = '', root = '/', at = '/']) => ({ device, root: plain(root), at: plain(at) }))
}

/** The mount that a real path lies on, and where in its file system. Pure. */
function locate(mounts: readonly Mounted[], real: string): Mounted | null {
  let found: Mounted | null = null
  for (const mount of mounts) {
    const isNearer = found === null || mount.at.length >= found.at.length
    if (isNearer && contains(mount.at, real)) found = mount
  }
  return found === null ? null : { ...found, root: join(found.root, rest(found.at, real)), at: real }
}

/** `contains('/a', '/a/b')` and `contains('/a', '/a')` hold. Pure. */
function contains(outer: string, inner: string): boolean {
  return inner === outer || inner.startsWith(outer === '/' ? '/' : `${outer}/`)
}

function rest(outer: string, inner: string): string {
  return outer === '/' ? inner : inner.slice(outer.length)
}

function join(base: string, tail: string): string {
  if (tail === '' || tail === '/') return base
  return base === '/' ? tail : `${base}${tail}`
}

/**
 * The paths, as commands see them, that are to be covered. Throws `sandbox_unavailable`, naming the path and the way out, when
 * what is private is itself a directory that commands need.
 */
export function placesToHide(binds: readonly HostMount[], privatePlaces: readonly PrivatePlace[]): string[] {
  const mounts = parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'))
  const covered = new Set<string>()
  for (const place of privatePlaces.filter((each) => existsSync(each.path))) {
    const secret = locate(mounts, realpathSync(place.path))
    if (secret === null) continue
    for (const bind of binds) {
      if (bind.kind !== 'bind') continue
      for (const target of aliasesOf(mounts, bind, secret, place)) covered.add(target)
    }
  }
  return withoutNested([...covered])
}

function aliasesOf(mounts: readonly Mounted[], bind: HostMount, secret: Mounted, place: PrivatePlace): string[] {
  const source = realpathSync(bind.source)
  const top = locate(mounts, source)
  if (top === null || !statSync(source).isDirectory()) return []
  const below = mounts.filter((mount) => mount.at !== source && contains(source, mount.at))
  const found: string[] = []
  for (const seen of [top, ...below]) {
    if (seen.device !== secret.device) continue
    const inside = rest(source, seen.at)
    const isBind = inside === ''
    if (contains(seen.root, secret.root)) {
      const at = `${inside}${rest(seen.root, secret.root)}`.replace(/\/+$/, '')
      if (at === '' && !place.mayHoldBinds) refuse(place, bind)
      // Covered by another mount, it is not seen here.
      if (at !== '' && existsSync(`${source}${at}`)) found.push(`${bind.target}${at}`)
    } else if (contains(secret.root, seen.root)) {
      if (!isBind) found.push(`${bind.target}${inside}`)
      else if (!place.mayHoldBinds && bind.source === bind.target) refuse(place, bind)
    }
  }
  return found.filter((target) => statSync(`${source}${target.slice(bind.target.length)}`).isDirectory())
}

/** What lies in a covered place is covered with it. */
function withoutNested(targets: readonly string[]): string[] {
  return targets.filter((target) => !targets.some((other) => other !== target && contains(other, target))).sort()
}

function refuse(place: PrivatePlace, bind: HostMount): never {
  throw new AppError(
    'sandbox_unavailable',
    `${place.name} (${place.path}) holds or is ${bind.source}, which commands see: ` +
      'move it to a directory of its own, such as /srv/keelson or a directory in your home',
  )
}
