import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { HostMount, HostView } from './host-view.ts'

/** Where a toolchain outside /usr is seen inside. */
const INSIDE = '/opt/toolchains'
/** Toolchains that unpack into a directory of their own below /usr/local: it is seen already, and only not on the PATH. */
const UNPACKED = '/usr/local'

/**
 * The view with the host's toolchains on the PATH: those unpacked below /usr/local, and each directory that the operator
 * names, read-only. A named directory with a `bin` is a toolchain; without one it is itself what belongs on the PATH.
 */
export function withToolchains(view: HostView, named: readonly string[]): HostView {
  const mounts: HostMount[] = []
  const places: string[] = unpackedBins()
  for (const [index, dir] of named.entries()) {
    if (!existsSync(dir) || !statSync(dir).isDirectory()) continue
    const isBelowUsr = dir === '/usr' || dir.startsWith('/usr/')
    const target = isBelowUsr ? dir : `${INSIDE}/${index}-${path.basename(dir)}`
    if (!isBelowUsr) mounts.push({ kind: 'bind', source: dir, target })
    places.push(existsSync(path.join(dir, 'bin')) ? `${target}/bin` : target)
  }
  if (places.length === 0) return view
  // Behind the system's own directories, so that a toolchain cannot take the place of the shell.
  return {
    ...view,
    mounts: [...view.mounts, ...mounts],
    path: `${view.path}:${places.join(':')}`,
    own: [...view.own, ...mounts.map((mount) => mount.source)],
  }
}

function unpackedBins(): string[] {
  const common = new Set(['bin', 'sbin', 'lib', 'share', 'etc', 'include', 'man', 'src', 'games'])
  const names = existsSync(UNPACKED) ? readdirSync(UNPACKED) : []
  return names
    .filter((name) => !common.has(name))
    .map((name) => path.join(UNPACKED, name, 'bin'))
    .filter((dir) => existsSync(dir))
}
