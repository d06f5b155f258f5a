/**
 * What runs inside, by bash: `URL REF DEPTH MAX_BYTES MAX_FILE_BYTES MAX_FILES`; REF may be empty, a branch, a tag or a whole
 * commit id. Nothing is checked out before the tree's size is known: a few kilobytes can unpack to gigabytes. Prints lines
 * that begin with `keelson:` for the caller; ends with 0 only when all is there.
 */
export const CLONE_SCRIPT = `
set -u
umask 022
url=$1 ref=$2 depth=$3 max_bytes=$4 max_file_bytes=$5 max_files=$6
limit() { echo "keelson:limit $1"; exit 42; }
if [[ $ref =~ ^[0-9a-f]{40}([0-9a-f]{24})?$ ]]; then
  git init -q . || exit 1
  git remote add origin "$url" || exit 1
  git fetch --progress --depth "$depth" origin "$ref" || exit 1
  git update-ref --no-deref HEAD FETCH_HEAD || exit 1
elif [ -n "$ref" ]; then
  git clone --progress --no-checkout --depth "$depth" --branch "$ref" -- "$url" . || exit 1
else
  git clone --progress --no-checkout --depth "$depth" -- "$url" . || exit 1
fi
if ! commit=$(git rev-parse -q --verify 'HEAD^{commit}'); then
  exit 0
fi
# A few trees that name each other many times over hold more names than anybody can count: nothing is read beyond the limit.
read -r files bytes largest submodules < <(git ls-tree -r -t -l HEAD | awk -v most="$max_files" '
  $2 == "commit" { m++ }
  $2 == "blob" { n++; s += $4; if ($4 > l) l = $4 }
  n > most || NR > 4 * most { n = most + 1; exit }
  END { printf "%d %.0f %.0f %d\\n", n, s, l, m }')
[ "$files" -gt "$max_files" ] && limit "it has more than $max_files files"
[ "$largest" -gt "$max_file_bytes" ] && limit "it holds a file of more than $((max_file_bytes / 1048576)) MiB, the limit of a file"
[ "$bytes" -gt "$max_bytes" ] && limit "its files are more than $((max_bytes / 1048576)) MiB, the limit of a workspace"
git reset -q --hard || exit 1
lfs=0
git grep -q 'filter=lfs' HEAD -- ':(glob)**/.gitattributes' && lfs=1
echo "keelson:commit $commit"
echo "keelson:left-out $submodules $lfs"
`
