/**
 * The commands by which a sandbox keeps what its set-up installed and gets it back. Each sets its own PATH, so that nothing a
 * project brings runs where kept installations can be written.
 */

import type { SearchedPlaces } from './installed-places.ts'

/** More places than this are not kept. */
export const MAX_PLACES = 500
const MAX_DEPTH = 6
const MAX_KEPT = 8
/** The disk must have this much left after something was kept. */
const SPARE_KIB = 2 * 1024 * 1024
/** Where an installation is unpacked before it takes its place; a cache for everybody who looks at the files. */
export const UNPACKING_DIR = '.cache/keelson-set-up'
/** What tools download, and unpack again where they install: nothing is missing without it. */
const DOWNLOADS = [
  'npm',
  'pnpm-store',
  'yarn',
  'bun',
  'uv',
  'pip',
  'pypoetry',
  'pdm',
  'pipenv',
  'bundle',
  'composer',
  'go-build',
  'keelson-unpacking',
]
/** Tools whose version decides what is installed; their files are looked at, none is started. */
const TOOLS = ['node', 'npm', 'python3', 'ruby', 'php', 'java', 'go', 'cargo', 'bash']

const SAFE = 'set -euo pipefail\nexport PATH=/usr/bin:/bin LC_ALL=C\nunset TAR_OPTIONS\n'

/**
 * Prints, each with a NUL at its end: a line about each tool, an empty word, the places that are there, and last `tracked` when
 * git tracks a file in one of them. Sees no kept installation. Arguments: none.
 */
export function lookScript({ anywhere, here }: SearchedPlaces): string {
  const tools = `{ uname -sm; for tool in ${TOOLS.join(' ')}; do place=$(command -v $tool) && printf '%s ' $tool && stat -L -c '%s %Y' -- "$(readlink -f -- "$place")"; done; true; } | tr '\\n' '\\0'`
  const searches = anywhere.map(
    ([cwd, name]) =>
      `find ${quoted(cwd === '.' ? '.' : `./${cwd}`)} -maxdepth ${MAX_DEPTH} -name .git -prune -o -name ${quoted(name)} -prune -type d -print0`,
  )
  const tests = here.map((place) => `[ ! -e ${quoted(`./${place}`)} ] || printf '%s\\0' ${quoted(`./${place}`)}`)
  const places = [...searches, ...tests, 'true'].join('\n')
  return `${tools}
printf '\\0'
places=/tmp/keelson-places
{ ${places}
} | sort -zu | head -z -n ${MAX_PLACES + 1} >"$places"
cat "$places"
if [ -e .git ] && [ -s "$places" ]; then
  set -o pipefail
  tracked=$(xargs -0 -a "$places" env GIT_LITERAL_PATHSPECS=1 git -c core.fsmonitor=false ls-files --cached -- | head -c 1) && [ -z "$tracked" ] || printf 'tracked\\0'
fi`
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/**
 * Keeps the places on standard input (each with a NUL at its end, relative to the workspace), and what the project's cache
 * holds besides downloads, under a name; older ones go when there are too many. Ends with 3 and a sentence when that is more
 * than may be kept. Arguments: the name, the directory, bytes that all may come to.
 */
export const KEEP = `${SAFE}
key=$1 dir=$2 max_kib=$(($3 / 1024))
cat >/tmp/keelson-places
cd "$HOME/.cache"
find . -mindepth 1 -maxdepth 1 ${DOWNLOADS.map((name) => `! -name ${name}`).join(' ')} -print0 >/tmp/keelson-caches
kib() { du -skc --files0-from="$1" 2>/dev/null | tail -n 1 | cut -f 1; }
size=$( [ ! -s /tmp/keelson-caches ] || kib /tmp/keelson-caches )
cd - >/dev/null
size=$((\${size:-0} + $( [ ! -s /tmp/keelson-places ] && echo 0 || kib /tmp/keelson-places )))
[ "$size" -le "$max_kib" ] || { echo "not kept: it holds $((size / 1024)) MiB"; exit 3; }
cd "$dir"
rm -rf -- part-* "$key"
free=$(df --output=avail -k . | tail -n 1)
[ "$free" -gt $((size + ${SPARE_KIB})) ] || { echo "not kept: the disk is nearly full"; exit 3; }
part="part-$key"
mkdir "$part"
tar -C "$OLDPWD" --null --files-from=/tmp/keelson-places -cf "$part/workspace.tar" || { rm -rf -- "$part"; exit 1; }
tar -C "$HOME/.cache" --null --files-from=/tmp/keelson-caches -cf "$part/cache.tar" || { rm -rf -- "$part"; exit 1; }
cp /tmp/keelson-places "$part/places"
cp /tmp/keelson-caches "$part/caches"
tar -tf "$part/workspace.tar" | wc -l >"$part/entries"
mv -T -- "$part" "$key"
total=0 count=0
for each in $(ls -t); do
  total=$((total + $(du -sk "$each" | cut -f 1))) count=$((count + 1))
  [ "$count" = 1 ] || { [ "$count" -le ${MAX_KEPT} ] && [ "$total" -le "$max_kib" ]; } || rm -rf -- "$each"
done`

/**
 * Puts a kept installation in the place of the one on standard input (places as {@link KEEP} takes them), each place in one
 * step once all is unpacked and counted, and prints the places with the number of files and directories. Ends with another
 * code than 0 when something is missing; then the workspace is to be set up. Arguments: the name, the directory.
 */
export const RESTORE = `${SAFE}
from="$2/$1" stage=${UNPACKING_DIR}
[ -d "$from" ]
cat >/tmp/keelson-present
rm -rf -- "$stage"
mkdir -p "$stage"
entries=$(tar -C "$stage" -xpvf "$from/workspace.tar" | wc -l)
[ "$entries" = "$(cat "$from/entries")" ] || { echo "$entries of $(cat "$from/entries") files were unpacked"; exit 4; }
cache="$HOME/.cache" missing=
while IFS= read -r -d '' name; do [ -e "$cache/$name" ] || missing=1; done <"$from/caches"
if [ -n "$missing" ] || [ "\${3:-}" = merge ]; then
  rm -rf -- "$cache/keelson-unpacking"
  mkdir "$cache/keelson-unpacking"
  tar -C "$cache/keelson-unpacking" -xpf "$from/cache.tar"
  cp -aln -- "$cache/keelson-unpacking/." "$cache/"
  rm -rf -- "$cache/keelson-unpacking"
fi
while IFS= read -r -d '' place; do rm -rf -- "$place"; done </tmp/keelson-present
while IFS= read -r -d '' place; do
  mkdir -p -- "$(dirname -- "$place")"
  rm -rf -- "$place"
  mv -T -- "$stage/$place" "$place"
  case $place in */.venv) [ -x "$place/bin/python" ] || { echo "$place has no Python here"; exit 4; };; esac
done <"$from/places"
rm -rf -- "$stage"
rmdir .cache 2>/dev/null || true
places=$(tr '\\0' '\\n' <"$from/places" | sed 's|^\\./||' | head -n 20 | paste -sd ' ')
echo "restored from cache: \${places:-what the cache of the project held} ($entries files and directories)"`
