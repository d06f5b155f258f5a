/** Where a command is put before it begins: a step in a shell, since Node can set none of it for a child. */
export interface LaunchPlace {
  /** `cgroup.procs` files that the command's first process writes itself into. */
  readonly cgroupFiles: readonly string[]
}

/** How much a command yields to the stores and to our own processes when all want the processor. */
const NICENESS = 5

/**
 * The command's files get ordinary modes whatever the runner's own umask is; when the host runs out of memory the kernel
 * takes commands before stores. Joining the cgroup must succeed: without it the command would have no limits.
 */
const SCRIPT = [
  'umask 022',
  '{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null || :',
  'while [ "$1" != -- ]; do echo 0 >"$1" || exit 125; shift; done',
  'shift',
  `exec nice -n ${NICENESS} "$@"`,
].join('\n')

/** The command line that does this and then becomes `argv`, in the same process. Pure. */
export function launcherArgv(argv: readonly string[], place: LaunchPlace): string[] {
  return ['/bin/sh', '-c', SCRIPT, 'keelson', ...place.cgroupFiles, '--', ...argv]
}
