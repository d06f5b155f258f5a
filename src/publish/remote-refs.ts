import { INIT } from './commit-scripts.ts'

/** What a repository says of its branches, as far as one publication needs it. */
export interface RemoteRefs {
  /** The default branch; null for an empty repository. */
  readonly head: string | null
  /** Commits by branch name. */
  readonly tips: ReadonlyMap<string, string>
  /** Whether the commit that was asked for is in the repository here. */
  readonly isHere: boolean
}

/** The branches that forbid one of this name, since git keeps branches like files: `a` beside `a/b`. */
export function prefixesOf(branch: string): string[] {
  const parts = branch.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}

/**
 * Prints the default branch, the branches that are named and those below the first one, and whether a commit is here.
 * `$1` is the address, `$2` the commit or nothing, `$3` the branch, and then the other names.
 */
export const LS_REMOTE_SCRIPT = `${INIT}
url=$1 commit=$2 branch=$3; shift 3
[ -n "$commit" ] && git cat-file -e "$commit^{commit}" 2>/dev/null && echo keelson:here
patterns=(HEAD "refs/heads/$branch" "refs/heads/$branch/*")
for name in "$@"; do patterns+=("refs/heads/$name"); done
git ls-remote --symref -- "$url" "\${patterns[@]}" | sed 's/^/keelson:/'
exit "\${PIPESTATUS[0]}"`

/** Reads what {@link LS_REMOTE_SCRIPT} printed. Pure. */
export function readRemoteRefs(output: string): RemoteRefs {
  const tips = new Map<string, string>()
  let head: string | null = null
  for (const line of output.split('\n')) {
    const symbolic = /^keelson:ref: refs\/heads\/(\S+)\tHEAD$/.exec(line)
    if (symbolic?.[1] !== undefined) head = symbolic[1]
    const [, tip, name] = /^keelson:([0-9a-f]{40,64})\trefs\/heads\/(\S+)$/.exec(line) ?? []
    if (tip !== undefined && name !== undefined) tips.set(name, tip)
  }
  return { head, tips, isHere: /^keelson:here$/m.test(output) }
}
