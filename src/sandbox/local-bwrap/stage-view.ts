import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { CommandUser } from './command-user.ts'
import type { HostView } from './host-view.ts'

/**
 * Where the runner finds the sandboxes' directory and what else commands need. Below a closed directory, such as /root, the
 * user of commands could not pass; in a mount namespace of the runner's own they are all below one place that it can pass.
 */
export interface View {
  /** Command that must stand before the runner's own; empty where the runner sees what everybody sees. */
  readonly prefix: readonly string[]
  /** A path of the host as the runner finds it. Pure. */
  inView(hostPath: string): string
}

const PLACE = '/run/keelson-sandboxes'
const UNSHARE = ['unshare', '--mount', '--propagation', 'slave'] as const
const TOOL_TIMEOUT_MS = 10_000
const TOOL_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' }

/** Arguments: the place, then pairs of what is seen there and where. Only this process and its children see it. */
const MAKE_VIEW = `set -eu
place=$1 count=$2
shift 2
mkdir -p -m 755 "$place"
mount -t tmpfs -o mode=755,size=64k,nosuid,nodev keelson "$place"
while [ "$count" -gt 0 ]; do
  if [ -d "$1" ]; then mkdir "$place/$2"; else : > "$place/$2"; fi
  mount --bind "$1" "$place/$2"
  shift 2
  count=$((count - 1))
done
exec "$@"`

/** Closes what this program was given beyond standard input, output and error, however high its number. */
const CLOSE_OTHERS =
  'for fd in /proc/self/fd/*; do fd=${fd##*/}; if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi; done; exec "$@"'

/** A command line that starts a program with no descriptors but the first three. Pure. */
export function withoutDescriptors(command: readonly string[]): string[] {
  // A shell whose input is a socket, as Node's pipes are, would read its user's .bashrc first.
  return ['/bin/bash', '--norc', '-c', CLOSE_OTHERS, 'bash', ...command]
}

let hasMountNamespaces: boolean | undefined

function canMount(): boolean {
  hasMountNamespaces ??=
    spawnSync('/usr/bin/env', [...UNSHARE, 'mount', '--version'], {
      env: TOOL_ENV,
      timeout: TOOL_TIMEOUT_MS,
      stdio: 'ignore',
    }).status === 0
  return hasMountNamespaces
}

/**
 * How the runner is to see `dir` and the parts of `host` that lie outside of /usr. Changes nothing. Throws
 * `sandbox_unavailable`, naming the closed directory, when commands could not reach one of them.
 */
export function viewFor(dir: string, host: HostView, user: CommandUser | null): View {
  const plain: View = { prefix: [], inView: (hostPath) => hostPath }
  if (user === null) return plain
  const seen = [{ from: dir, name: 'sandboxes' }, ...host.own.map((from, index) => ({ from, name: `part-${index}` }))]
  if (!canMount()) {
    for (const { from } of seen) requirePassable(from, user)
    return plain
  }
  const pairs = seen.flatMap(({ from, name }) => [from, name])
  return {
    prefix: [...UNSHARE, '/bin/sh', '-c', MAKE_VIEW, 'sh', PLACE, String(seen.length), ...pairs],
    inView(hostPath) {
      const found = seen.find(({ from }) => hostPath === from || hostPath.startsWith(`${from}/`))
      return found === undefined ? hostPath : `${PLACE}/${found.name}${hostPath.slice(found.from.length)}`
    },
  }
}

function requirePassable(target: string, user: CommandUser): void {
  for (let at = path.dirname(target); ; at = path.dirname(at)) {
    const { mode, uid, gid } = statSync(at)
    const right = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & right) === 0) {
      throw new AppError(
        'sandbox_unavailable',
        `Keelson was started by root, and the user of its commands (${user.uid}) cannot pass ${at} on the way to ${target}: ` +
          'move it below directories that others may pass, or start Keelson by an ordinary user',
      )
    }
    if (at === path.dirname(at)) return
  }
}
