/** Ignore files that ripgrep would wait at, or read for a minute: it opens whatever has the name. */

const NAMES = ['.gitignore', '.ignore', '.rgignore']
/** Larger ones are no list of patterns; ripgrep would read and compile all of it. */
const MAX_KIB = 1_024
/** What ripgrep's exit code grows by when an ignore file was not read. */
const UNREAD = 100
/** Ignore files and repositories that are looked at one by one, and lines of rules that are taken over. */
const MAX_FILES = 500
const MAX_LINES = 20_000

/**
 * Words: how many directories lie above the place that is searched, that place, how many names follow whose directories are
 * not entered, the names, and ripgrep's arguments. Links count as what they lead to. Where `find` is missing or knows
 * less, ripgrep runs as it is.
 *
 * ripgrep knows no way to leave one ignore file out. Where one of them would make it wait, it reads none, and is given the
 * rules of all the others as one file: each pattern with the directory it holds for, those that weigh more after the others.
 */
const SCRIPT = `
above=$1 at=$2 count=$3; shift 3
here=$PWD lines=${MAX_LINES} isUnread=
case $at in /*|./*|.) ;; *) at=./$at ;; esac
skipped=()
for ((; count > 0; count--)); do skipped+=(-type d -path "*/$1/*" -prune -o); shift; done
names=(${NAMES.map((name) => `-name ${name}`).join(' -o ')})
bad=(\\( -xtype p -o -xtype c -o -xtype b -o -type f -size +${MAX_KIB}k -o -type l -xtype f
  -exec bash -c '[ "$(stat -Lc %s -- "$1")" -gt ${MAX_KIB * 1_024} ]' - {} \\; \\))
below() {
  find "$at" -type d -path '*/.git/*' ! -name info -prune -o "\${skipped[@]}" "$@" 2>/dev/null
}
# A file that is searched lies in the first of the directories above it.
parents=() start=$at/..
[ -d "$at" ] || start=\${at%/*}
for ((; above > 0; above--)); do
  parents=("$start" "\${parents[@]}")
  start=$start/..
done
odd=$(below \\( \\( "\${names[@]}" -o -path '*/.git/info/exclude' \\) "\${bad[@]}" -o -name .git ! -type d \\
  -o -path '*/.git/info' -type l \\) -print -quit | head -c 1)
for parent in "\${parents[@]}"; do
  [ -z "$odd" ] || break
  odd=$(find ${[...NAMES, '.git/info/exclude'].map((name) => `"$parent/${name}"`).join(' ')} -maxdepth 0 "\${bad[@]}" -print -quit 2>/dev/null | head -c 1)
  if [ -L "$parent/.git" ] || [ -f "$parent/.git" ] || [ -L "$parent/.git/info" ]; then odd=x; fi
done
[ -z "$odd" ] && exec rg "$@"

isBad() {
  [ -e "$1" ] && [ ! -d "$1" ] && { [ ! -f "$1" ] || [ "$(stat -Lc %s -- "$1")" -gt ${MAX_KIB * 1_024} ]; }
}
# Finds the excludes of a .git, which may be a file that names a directory that names another one; false: ripgrep would wait.
findExclude() {
  local named dir common
  exclude=
  if [ -d "$1" ]; then exclude=$1/info/exclude
  elif [ -f "$1" ]; then
    isBad "$1" && return 1
    IFS= read -r -n 4096 named <"$1"
    named=\${named#gitdir: }
    for dir in "$named" "\${1%/*}/$named"; do
      isBad "$dir/commondir" && return 1
      [ -f "$dir/commondir" ] || continue
      IFS= read -r -n 4096 common <"$dir/commondir"
      case $common in /*) ;; *) common=$dir/$common ;; esac
      exclude=$common/info/exclude
      isBad "$exclude" && return 1
    done
  fi
  ! isBad "$exclude"
}
isDeaf=
excludes=()
mapfile -d '' -t gits < <(below -name .git -print0 -prune | head -z -n ${MAX_FILES})
for git in "\${parents[@]/%//.git}" "\${gits[@]}"; do
  if findExclude "$git"; then
    [ ! -f "$exclude" ] || excludes+=("$exclude" "\${git%/.git}")
  else isDeaf=x; fi
done

# Prints the rules of a file that hold in a directory as rules that hold here.
rules() {
  local dir line not rest segment first strip=() prefix=
  dir=$(realpath -ms -- "$2")
  case $dir/ in
    "$here"/*) prefix=\${dir#"$here"} ;;
    *) IFS=/ read -ra strip <<<"\${here#"\${dir%/}"/}" ;;
  esac
  prefix=\${prefix//\\\\/\\\\\\\\}
  for segment in '[' ']' '*' '?'; do prefix=\${prefix//"$segment"/\\\\"$segment"}; done
  while IFS= read -r line || [ -n "$line" ]; do
    [ $((lines--)) -gt 0 ] || return
    line=\${line%$'\\r'} not=
    while [[ $line == *' ' && $line != *'\\ ' ]]; do line=\${line% }; done
    case $line in '#'*) continue ;; '!'*) not=! line=\${line#!} ;; esac
    rest=\${line#/}
    [ -n "\${rest%/}" ] || continue
    if [[ \${line%/} != */* ]]; then
      if [ -n "$prefix" ]; then rest="$prefix/**/$rest"; fi
      printf '%s\\n' "$not$rest"
      continue
    fi
    for segment in "\${strip[@]}"; do
      first=\${rest%%/*}
      [ "$first" != '**' ] || break
      # shellcheck disable=SC2053
      if [[ $rest == */?* && $segment == $first ]]; then rest=\${rest#*/}; else rest=; break; fi
    done
    [ -z "$rest" ] || printf '%s\\n' "$not$prefix/$rest"
  done <"$1"
}
good=()
for name in ${NAMES.join(' ')}; do
  mapfile -d '' -t found < <(below -name "$name" -printf '%d\\t%p\\0' | head -z -n ${MAX_FILES} | sort -zn | cut -z -f2-)
  for file in "\${parents[@]/%//$name}" "\${found[@]}"; do
    if isBad "$file"; then isUnread=x
    elif [ -f "$file" ] && [ -r "$file" ]; then good+=("$file" "\${file%/*}"); fi
  done
done
if [ -z "$isUnread" ]; then
  [ -n "$isDeaf" ] || exec rg "$@"
  rg --no-ignore-exclude "$@"
else
  all=("\${excludes[@]}" "\${good[@]}")
  rg --no-ignore --ignore-file <(for ((i = 0; i < \${#all[@]}; i += 2)); do rules "\${all[i]}" "\${all[i + 1]}"; done) "$@"
fi
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
 * The command that runs ripgrep with these arguments, without those ignore files (at, below or above the place) that are a
 * pipe, a device or larger than 1 MiB; the rules of all the others hold. {@link readExitCode} tells whether one was left out.
 */
export function ripgrepCommand(args: readonly string[], { at, above, skipped }: SearchedPlace): string[] {
  return ['bash', '-c', SCRIPT, 'search', String(above), at, String(skipped.length), ...skipped, ...args]
}

/** ripgrep's own exit code, and whether an ignore file was not read. 127 stays what a missing program gives. */
export function readExitCode(code: number | null): { readonly code: number | null; readonly isUnread: boolean } {
  return code !== null && code >= UNREAD && code <= UNREAD + 2
    ? { code: code - UNREAD, isUnread: true }
    : { code, isUnread: false }
}

/** What the model is told of a search that left an ignore file out. */
export const UNREAD_RULES =
  `(an ignore file was not read, since it is a pipe, a device or larger than ${MAX_KIB / 1_024} MiB; ` +
  `find . \\( -name '.*ignore' ! -type f -o -name '.*ignore' -size +${MAX_KIB}k \\) names it, or .git leads to it)`
