/** Ignore files that ripgrep would wait at, or read for a minute: it opens whatever has the name. */

const NAMES = ['.gitignore', '.ignore', '.rgignore']
/** Larger ones are no list of patterns; ripgrep would read and compile all of it. */
const MAX_KIB = 1_024
/** What ripgrep's exit code grows by when it ran without ignore files. */
const UNREAD = 100

/**
 * Words: how many directories lie above the place that is searched, that place, how many names follow whose directories are
 * not entered, the names, and ripgrep's arguments. Links count as what they lead to. Where `find` is missing or knows
 * less, ripgrep runs as it is.
 */
const SCRIPT = `
above=$1 at=$2 count=$3; shift 3
case $at in /*|./*|.) ;; *) at=./$at ;; esac
kinds() {
  find "$@" \\( -xtype p -o -xtype c -o -xtype b -o -type f -size +${MAX_KIB}k -o -type l -xtype f \\
    -exec bash -c '[ "$(stat -Lc %s -- "$1")" -gt ${MAX_KIB * 1_024} ]' - {} \\; \\) -print -quit 2>/dev/null | head -c 1
}
skipped=()
for ((; count > 0; count--)); do skipped+=(-type d -path "*/$1/*" -prune -o); shift; done
bad=$(kinds "$at" -type d -path '*/.git/*' ! -name info -prune -o "\${skipped[@]}" \\
  \\( ${NAMES.map((name) => `-name ${name}`).join(' -o ')} -o -path '*/.git/info/exclude' \\))
for ((; above > 0 && \${#bad} == 0; above--)); do
  at=$at/..
  bad=$(kinds ${[...NAMES, '.git/info/exclude'].map((name) => `"$at/${name}"`).join(' ')} -maxdepth 0)
done
[ -z "$bad" ] && exec rg "$@"
rg --no-ignore "$@"
code=$?
[ "$code" -gt 2 ] && exit "$code"
exit $((code + ${UNREAD}))
`

/** Where a search looks and what it does not enter. */
export interface SearchedPlace {
  /** The directory or file searched, from the command's working directory. */
  readonly at: string
  /** How many directories of the workspace lie above it. */
  readonly above: number
  /** Names of directories below which nothing is searched. */
  readonly skipped: readonly string[]
}

/**
 * The command that runs ripgrep with these arguments, without any ignore file where one of them (at, below or above the
 * place) is a pipe, a device or larger than 1 MiB. {@link readExitCode} tells which of both it was.
 */
export function ripgrepCommand(args: readonly string[], { at, above, skipped }: SearchedPlace): string[] {
  return ['bash', '-c', SCRIPT, 'search', String(above), at, String(skipped.length), ...skipped, ...args]
}

/** ripgrep's own exit code, and whether it ran without ignore files. 127 stays what a missing program gives. */
export function readExitCode(code: number | null): { readonly code: number | null; readonly isUnread: boolean } {
  return code !== null && code >= UNREAD && code <= UNREAD + 2
    ? { code: code - UNREAD, isUnread: true }
    : { code, isUnread: false }
}

/** What the model is told of a search that read no ignore file. */
export const UNREAD_RULES =
  `(no ignore file was read, since one of them is a pipe, a device or larger than ${MAX_KIB / 1_024} MiB; ` +
  `find . \\( -name '.*ignore' ! -type f -o -name '.*ignore' -size +${MAX_KIB}k \\) names it)`
