import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import path from 'node:path'

/** A path of the host that a command sees. */
export interface HostMount {
  readonly kind: 'bind' | 'symlink'
  /** Host path, or the text of the symlink. */
  readonly source: string
  readonly target: string
}

/** What of this host's own files a command sees; computed once per process. */
export interface HostView {
  readonly mounts: readonly HostMount[]
  /** Parts of /etc of which commands see a copy, by their paths below it. */
  readonly etc: readonly string[]
  readonly path: string
  /** Paths of this host outside of /usr that are bound for commands: the running Node, its npm, toolchains. */
  readonly own: readonly string[]
  /** Directories, as commands would see them, that are covered by an empty one. */
  readonly hidden: readonly string[]
}

const TOP_LEVEL = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

/** Parts of /etc that change when a person installs a program: commands see them as they are. */
const LIVE_ETC = ['alternatives', 'ld.so.cache']
/** Public parts of /etc that programs need to start; those of toolchains and certificates come to them. */
const COPIED_ETC = ['ld.so.conf', 'ld.so.conf.d', 'localtime']

/**
 * Debian keeps parts of its JVMs and of Maven below /etc, without which neither starts. Left out is what may hold an
 * operator's passwords: Maven's settings, and the JVM's management.
 */
function javaParts(): string[] {
  const maven = ['maven/m2.conf', 'maven/logging']
  const jvms = readdirSync('/etc').filter((name) => /^java-\d+-openjdk$/.test(name))
  const parts = jvms.flatMap((jvm) => readdirSync(`/etc/${jvm}`).map((name) => `${jvm}/${name}`))
  return [...maven, ...parts.filter((name) => !name.endsWith('/management'))]
}

/** Debian's PHP finds its extensions by files below /etc; its settings, which may hold an operator's passwords, stay out. */
function phpParts(): string[] {
  const versions = existsSync('/etc/php') ? readdirSync('/etc/php') : []
  return versions.flatMap((version) => [`php/${version}/mods-available`, `php/${version}/cli/conf.d`])
}

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Looks at the host: /usr, the top-level links into it, a few public files of /etc, and the running Node with its npm at
 * /opt/node when it is installed outside /usr. Only those two of a Node prefix are bound, never the prefix itself, since
 * `~/.local/bin/node` would otherwise bring `~/.local` along. Reads only.
 */
export function lookAtHost(nodePath: string): HostView {
  const mounts: HostMount[] = [{ kind: 'bind', source: '/usr', target: '/usr' }]
  for (const target of TOP_LEVEL) {
    const stat = lstatSync(target, { throwIfNoEntry: false })
    if (stat?.isSymbolicLink()) mounts.push({ kind: 'symlink', source: readlinkSync(target), target })
    else if (stat?.isDirectory()) mounts.push({ kind: 'bind', source: target, target })
  }
  for (const name of LIVE_ETC) {
    if (existsSync(`/etc/${name}`)) mounts.push({ kind: 'bind', source: `/etc/${name}`, target: `/etc/${name}` })
  }
  const node = nodeMounts(realpathSync(nodePath))
  mounts.push(...node)
  const own = node.filter((mount) => mount.kind === 'bind' && !mount.source.startsWith('/usr/'))
  return {
    mounts,
    etc: [...COPIED_ETC, ...javaParts(), ...phpParts()],
    path: node.length > 0 ? `/opt/node/bin:${SYSTEM_PATH}` : SYSTEM_PATH,
    own: own.map((mount) => mount.source),
    hidden: [],
  }
}

function nodeMounts(node: string): HostMount[] {
  if (node.startsWith('/usr/')) {
    const dir = path.dirname(node)
    if (SYSTEM_PATH.split(':').includes(dir) && path.basename(node) === 'node') return []
  }
  const mounts: HostMount[] = [{ kind: 'bind', source: node, target: '/opt/node/bin/node' }]
  const npm = path.join(path.dirname(path.dirname(node)), 'lib/node_modules/npm')
  if (existsSync(path.join(npm, 'bin/npm-cli.js'))) {
    mounts.push({ kind: 'bind', source: npm, target: '/opt/node/lib/node_modules/npm' })
    mounts.push({ kind: 'symlink', source: '../lib/node_modules/npm/bin/npm-cli.js', target: '/opt/node/bin/npm' })
    mounts.push({ kind: 'symlink', source: '../lib/node_modules/npm/bin/npx-cli.js', target: '/opt/node/bin/npx' })
  }
  return mounts
}

/** The same view for somebody who finds the host's paths elsewhere. Pure. */
export function hostViewThrough(host: HostView, inView: (hostPath: string) => string): HostView {
  const mounts = host.mounts.map((mount) =>
    mount.kind === 'bind' ? { ...mount, source: inView(mount.source) } : mount,
  )
  return { ...host, mounts }
}
