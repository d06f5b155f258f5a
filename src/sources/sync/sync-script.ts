/**
 * What runs in a sandbox of ours that holds a copy of a project's files and nothing of its git, by bash:
 * `URL REF BASE MODE`. REF may be empty for the default branch; BASE is the commit that the files came from. Merges the
 * files with what the branch is now by git's own three-way merge. What it found lies below `.git/keelson`: `changes` (paths
 * that the merge changes, as `git diff-tree -z --name-status` prints them), `conflicts` (paths, NUL behind each), `tip.bundle`
 * (commits that are new). Prints lines that begin with `keelson:`; ends with 0 only when they hold.
 */
export const SYNC_SCRIPT = `
set -u
umask 022
url=$1 ref=$2 base=$3 mode=$4
limit() { echo "keelson:limit $1"; exit 42; }
git init -q . || exit 1
git remote add origin "$url" || exit 1
out=.git/keelson
mkdir -p "$out"
: > "$out/changes"; : > "$out/conflicts"
printf '%s\\n' /.claude/project-context.md /.claude/memory.md >> .git/info/exclude
git fetch --progress --no-tags --depth 50 origin "\${ref:-HEAD}" || exit 1
tip=$(git rev-parse -q --verify 'FETCH_HEAD^{commit}') || exit 1
git update-ref refs/keelson/tip "$tip"
echo "keelson:tip $tip"
[ "$tip" = "$base" ] && { echo keelson:current; exit 0; }
related() { git cat-file -e "$base^{commit}" 2>/dev/null && git merge-base "$base" "$tip" >/dev/null; }
for more in 200 1000 5000; do
  related && break
  git fetch --progress --no-tags --deepen "$more" origin "\${ref:-HEAD}" || exit 1
done
if ! related && ! git cat-file -e "$base^{commit}" 2>/dev/null; then
  git fetch --progress --no-tags --depth 5000 origin "$base" || limit "the commit that the project came from is not at its host any more"
fi
related || git fetch --progress --no-tags --unshallow origin "\${ref:-HEAD}" || true
related || limit "the branch was rewritten and has no commit in common with the project"
git merge-base --is-ancestor "$tip" "$base" && { echo keelson:current; exit 0; }

# The project's files as git would keep them: what is tracked, also when it is ignored by now, and what is not ignored.
git read-tree "$base" || exit 1
git add -A . || exit 1
git diff --cached --raw -z --no-renames "$base" | tr '\\0' '\\n' | grep -q '^:[0-7]* 160000 0*[^0 ]* [0-9a-f]* A' && limit "the files hold another repository inside"
ours=$(git write-tree) || exit 1
export GIT_AUTHOR_NAME=keelson GIT_AUTHOR_EMAIL=keelson@localhost GIT_COMMITTER_NAME=keelson GIT_COMMITTER_EMAIL=keelson@localhost
mine=$(git commit-tree "$ours" -p "$base" -m project) || exit 1
git merge-tree --write-tree -z --name-only --no-messages "$mine" "$tip" > "$out/merge"
code=$?
[ "$code" -gt 1 ] && exit 1
mapfile -d '' -t found < "$out/merge"
merged=\${found[0]}
git diff-tree -r -z --no-renames --name-status "$ours" "$merged" > "$out/changes" || exit 1
: > "$out/in-way"
while IFS= read -r -d '' kind && IFS= read -r -d '' path; do
  [ "$kind" = A ] || continue
  if [ -d "$path" ] && [ ! -L "$path" ]; then
    [ -n "$(git ls-files -o -- "$path" | head -c 1)" ] && printf '%s\\0' "$path" >> "$out/in-way"
  elif [ -e "$path" ] || [ -L "$path" ]; then
    git ls-files --error-unmatch -- "$path" >/dev/null 2>&1 || printf '%s\\0' "$path" >> "$out/in-way"
  fi
done < "$out/changes"
if [ -s "$out/in-way" ]; then
  cat "$out/in-way" > "$out/conflicts"
  echo keelson:in-way
  exit 0
fi
if [ "$code" = 1 ]; then
  printf '%s\\0' "\${found[@]:1}" | sort -zu > "$out/conflicts"
  echo keelson:conflicts
  [ "$mode" = markers ] || exit 0
fi
git read-tree --reset -u "$merged" || exit 1
if git merge-base --is-ancestor "$base" "$tip"; then
  git bundle create -q "$out/tip.bundle" refs/keelson/tip --not "$base" || rm -f "$out/tip.bundle"
fi
echo keelson:merged
`

/**
 * What runs in the project's own sandbox afterwards, without network: `BUNDLE TIP BASE BRANCH`. Its git gets the new commits;
 * a branch without commits of its own moves to the new tip, so that `git status` speaks of the project's changes alone.
 */
export const HISTORY_SCRIPT = `
set -eu
bundle=$1 tip=$2 base=$3 branch=$4
trap 'rm -f -- "$bundle"' EXIT
git fetch -q --no-tags "$bundle" +refs/keelson/tip:refs/keelson/tip
if [ -n "$branch" ]; then git update-ref "refs/remotes/origin/$branch" "$tip"; fi
if [ "$(git rev-parse HEAD)" = "$base" ]; then
  git update-ref -m 'keelson: sync' HEAD "$tip" "$base"
  git reset -q --mixed
fi
git update-ref -d refs/keelson/tip
`
