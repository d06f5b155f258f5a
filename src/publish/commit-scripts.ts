/** What git does in a publication's place, by bash. */

/** Makes the repository when it is not there. */
export const INIT = '[ -d "$GIT_DIR/objects" ] || git init -q'

/**
 * `$1` is the address, `$2` the commit. Nothing is fetched twice. A host of an older protocol gives out the tips of branches
 * alone: the commit is then looked for below the default branch's.
 */
export const FETCH_SCRIPT = `${INIT}
git cat-file -e "$2^{commit}" 2>/dev/null && exit 0
said=$(git fetch --quiet --depth 1 --no-tags --no-write-fetch-head -- "$1" "$2" 2>&1) && exit 0
echo "$said" >&2
case $said in *"unadvertised object"*) ;; *) exit 1 ;; esac
git fetch --quiet --depth 1000 --no-tags --no-write-fetch-head -- "$1" HEAD 2>/dev/null
git cat-file -e "$2^{commit}" 2>/dev/null`

/** Fetches what lies before a commit as well; `$1` is the address, `$2` the commit. Safe to repeat. */
export const DEEPEN_SCRIPT = `${INIT}
[ -f "$GIT_DIR/shallow" ] || exit 0
exec git fetch --quiet --unshallow --no-tags --no-write-fetch-head -- "$1" "$2"`

/** Stands before what {@link TREE_SCRIPT} tells; git may have warned of this and that before. */
export const TOLD = 'keelson:tree'

/**
 * Makes the tree of a commit. `$1` is the parent, or empty for a first commit; paths that are to leave come on the input,
 * each ended by NUL. The index begins as the parent's and takes the files as `git add` does; what is missing among them
 * stays in it. Where there are attributes, a file that is what git itself would check out keeps its object, since line ends
 * would make another one of it. Prints, each ended by NUL, {@link TOLD}, the tree, the parent's, and the paths that differ.
 */
export const TREE_SCRIPT = `${INIT}
cd "$GIT_WORK_TREE"; rm -f "$GIT_DIR/index" "$GIT_DIR/index.lock"
if [ -n "$1" ]; then git read-tree "$1"; before=$(git rev-parse "$1^{tree}")
else git read-tree --empty; before=$(git mktree < /dev/null); fi
git add --ignore-removal -- .
git update-index -z --force-remove --stdin
if [ -n "$1" ] && git ls-files -z -- '.gitattributes' '**/.gitattributes' | grep -qz .; then
  git diff-index --cached --raw -z --no-renames --abbrev=64 --diff-filter=M "$1" |
    while IFS= read -r -d '' head && IFS= read -r -d '' path; do
      read -r oldmode newmode old new status <<< "\${head#:}"
      case $oldmode$newmode in 100???100???) ;; *) continue ;; esac
      [ "$old" = "$new" ] && continue
      git cat-file --filters --path="$path" "$old" | cmp -s - "$path" && printf '%s %s\\t%s\\0' "$newmode" "$old" "$path" || true
    done | git update-index -z --index-info
fi
tree=$(git write-tree)
printf '\\0${TOLD}\\0%s\\0%s\\0' "$tree" "$before"
git diff-tree -r -z --name-only --no-renames "$before" "$tree"`

/** Prints the files in which marks of a merge are new between two trees. */
export const MARKS_SCRIPT =
  'git diff-tree -r --check "$1" "$2" | sed -n "s/:[0-9]*: leftover conflict marker$//p" | sort -u | head -n 20; true'

/** `$1` is the tree, the others are its parents; the message comes on the input. */
export const COMMIT_SCRIPT = `tree=$1; shift; parents=()
for parent in "$@"; do parents+=(-p "$parent"); done
git commit-tree "$tree" "\${parents[@]}" -F -`

/** `$1` is the address, `$2` the commit, `$3` the branch, `$4` is "new" when it must not be there yet. Never by force. */
export const PUSH_SCRIPT = `lease=(); [ "$4" = new ] && lease=(--force-with-lease="refs/heads/$3:")
exec git -c push.negotiate=true push --porcelain --no-verify --no-follow-tags --recurse-submodules=no "\${lease[@]}" -- "$1" "$2:refs/heads/$3"`
