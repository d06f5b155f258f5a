/** What a person is told when bubblewrap cannot make a sandbox on this host. */

/** What Linux must allow, and where it is set. */
export const USER_NAMESPACES =
  'Linux must allow user namespaces: on Ubuntu 24.04 add an AppArmor profile for bwrap, in Docker run unconfined'

/** What the kernel must have for the filter of system calls. */
export const SECCOMP = 'A kernel with CONFIG_SECCOMP_FILTER is needed'

/** What is over again in a moment, or what the command's own directory brought about: no fault of the host's settings. */
const PASSING = /Resource temporarily unavailable|Cannot allocate memory|Can't chdir/

/** The sentence with what bubblewrap said, at most 300 characters of it, and the way out. Pure. */
export function noSandboxSentence(said: string): string {
  return `bubblewrap cannot make a sandbox here (${said.trim().slice(0, 300)}). ${wayOut(said)}`
}

/**
 * The same for a command that ended with all its output in `said`, null when a sandbox had been made for it or could be made
 * the next time. `status` is what bubblewrap wrote to its status descriptor: it writes the exit code of a command that began.
 * Pure.
 */
export function whyNoSandbox(end: {
  readonly code: number
  readonly status: string
  readonly said: string
}): string | null {
  if (end.code === 0 || end.status.includes('"exit-code"')) return null
  if (!end.said.startsWith('bwrap: ') || PASSING.test(end.said)) return null
  return noSandboxSentence(end.said)
}

function wayOut(said: string): string {
  if (/unknown option/i.test(said)) {
    return 'This bubblewrap is too old: version 0.8 or newer is needed, as Debian 12 and Ubuntu 24.04 have it'
  }
  return /seccomp/i.test(said) ? SECCOMP : USER_NAMESPACES
}
