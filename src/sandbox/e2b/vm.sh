#!/bin/bash
# Everything that Keelson does inside an E2B VM: `bash vm.sh OPERATION ARGUMENTS…`. Needs bash 5, coreutils, findutils,
# grep, git and setsid. What it prints before the line `@@keelson` is the login profile's and ignored; a refusal is one line
# `error CODE SENTENCE`. Nothing here is trusted by the caller: the agent owns this VM, and the VM is the boundary.
#
# A command is a directory jobs/<execId>:
#   spec.sh    what to run, written before the directory appears (its rename is the lock)
#   started    milliseconds; task: whose it is; runner: pid and start time of the process that watches it
#   ctl, in    fifos: orders to the runner; the command's input when it was left open
#   log, tail  the first HEAD bytes of output, and the last TAIL bytes beyond them, from offset `tailstart` on
#   exit       status code signal ended bytes dropped; linked into place once, never changed
# No exit and no live runner means lost, and whoever notices writes that down.
set -u
export LC_ALL=C
umask 022

WORKSPACE=/workspace
HOME_DIR=$HOME/.keelson
JOBS=$HOME_DIR/jobs
STAGING=$HOME_DIR/staging
PACKS=$HOME_DIR/packs
MARKS=$HOME_DIR/left-out
FENCES=$HOME_DIR/fences
SHADOW=$HOME_DIR/shadow.git
HEAD_BYTES=8388608
TAIL_BYTES=262144
MAX_FILE_BYTES=2097152
INLINE_PACK_BYTES=262144
MAX_MARKED=200000

begin() { printf '@@keelson\n'; }
refuse() {
  printf '@@keelson\nerror %s %s\n' "$1" "$2"
  exit 0
}
bad() { refuse bad_request "$1"; }
now_ms() {
  NOW=${EPOCHREALTIME/./}
  NOW=${NOW%???}
}

# ---- preparation ----

op_init() {
  local missing=() tool
  for tool in git setsid stdbuf stat find grep head tail tee wc sort flock base64 mkfifo realpath du paste cut sed tr mktemp timeout comm uniq xargs; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] || refuse unavailable "the E2B template lacks ${missing[*]}; use one that has bash, coreutils, findutils, grep, git and util-linux"
  [ "${BASH_VERSINFO[0]}" -ge 5 ] || refuse unavailable "the E2B template has bash $BASH_VERSION; 5 or later is needed"
  if ! [ -d "$WORKSPACE" ] || ! [ -w "$WORKSPACE" ]; then refuse unavailable "$WORKSPACE cannot be written by the template's user"; fi
  make_directories
  begin
}
# The agent owns these and may have removed them: then its commands and checkpoints are unknown, and nothing else.
make_directories() {
  mkdir -p "$JOBS" "$STAGING" "$PACKS" "$MARKS" "$FENCES" "$SHADOW/objects" "$SHADOW/refs" "$SHADOW/info"
  printf '* -text -filter -ident !diff -merge -eol -working-tree-encoding\n' >"$SHADOW/info/attributes"
  printf '[core]\n\trepositoryformatversion = 0\n\tbare = true\n\thooksPath = /dev/null\n\tfsmonitor = false\n\tprotectNTFS = false\n\tprotectHFS = false\n\tautocrlf = false\n\tsymlinks = true\n\tfileMode = true\n' >"$SHADOW/config"
  printf 'ref: refs/heads/none\n' >"$SHADOW/HEAD"
  # Our own files, so that a repository which a command makes takes them neither as new nor with `git add -A`.
  if ! [ -e "$HOME/.config/git/ignore" ]; then
    mkdir -p "$HOME/.config/git" && printf '/.claude/project-context.md\n/.claude/memory.md\n' >"$HOME/.config/git/ignore"
  fi || true
}

# ---- attempts ----

# fence NUMBER OPERATION: notes the attempt that asks; refuses it when a newer one was here. Numbers are names of files: a
# lower one goes only after a higher one came, so the highest never falls. What changes something is done under a lock, so
# that an older attempt's operation has ended before a newer one's begins.
fence() {
  local file newest=0
  mkdir -p "$FENCES"
  exec 9>"$FENCES/lock"
  flock -w 60 9 || refuse busy "another attempt still changes the files"
  for file in "$FENCES"/*; do
    file=${file##*/}
    if [ -z "${file//[0-9]/}" ] && [ "$file" -gt "$newest" ]; then newest=$file; fi
  done
  [ "$1" -ge "$newest" ] || refuse lease_lost "Another attempt has taken over this project’s files."
  if [ "$1" -gt "$newest" ]; then
    : >"$FENCES/$1"
    for file in "$FENCES"/*; do
      file=${file##*/}
      if [ -z "${file//[0-9]/}" ] && [ "$file" -lt "$1" ]; then rm -f "$FENCES/$file"; fi
    done
  fi
  case $2 in
    start | write | remove | restore) ;;
    *) exec 9>&- ;;
  esac
}

# ---- commands ----

# START: the process's start time in clock ticks, as the kernel gives it.
start_time() {
  local line
  START=
  read -r line 2>/dev/null <"/proc/$1/stat" || return 1
  line=${line##*) }
  # shellcheck disable=SC2086
  set -- $line
  [ "$1" != Z ] || return 1
  START=${20}
}
is_alive() { start_time "$1" && [ "$START" = "$2" ]; }

# write_exit DIR STATUS CODE SIGNAL BYTES DROPPED: the first one to come stays.
write_exit() {
  now_ms
  printf '%s %s %s %s %s %s\n' "$2" "$3" "$4" "$NOW" "$5" "$6" >"$1/exit.$$"
  ln "$1/exit.$$" "$1/exit" 2>/dev/null
  rm -f "$1/exit.$$"
}

is_watched() {
  local pid start
  if read -r pid start 2>/dev/null <"$1/runner"; then
    is_alive "$pid" "$start"
    return
  fi
  # Its runner is just being started.
  now_ms
  [ $((NOW - $(<"$1/started"))) -lt 10000 ]
}

# Prints `state id task status code signal started ended bytes dropped`, `-` for what is not known.
print_state() {
  local dir=$JOBS/$1 status code signal ended bytes dropped size
  if ! [ -f "$dir/exit" ] && ! is_watched "$dir" && ! [ -f "$dir/exit" ]; then
    size=$(stat -c %s "$dir/log" 2>/dev/null || echo 0)
    write_exit "$dir" lost - - "$size" 0
  fi
  if read -r status code signal ended bytes dropped 2>/dev/null <"$dir/exit"; then
    printf 'state %s %s %s %s %s %s %s %s %s\n' "$1" "$(<"$dir/task")" "$status" "$code" "$signal" "$(<"$dir/started")" "$ended" "$bytes" "$dropped"
    return
  fi
  printf 'state %s %s running - - %s - %s 0\n' "$1" "$(<"$dir/task")" "$(<"$dir/started")" "$(stat -c %s "$dir/log")"
}
known() { [ -f "$JOBS/$1/started" ] || bad "no command with the id $1 was started here"; }

# op_start EXEC TASK SPECFILE STDINFILE|-: starts it, or attaches to it.
op_start() {
  local id=$1 task=$2 spec=$3 stdin=$4 dir=$JOBS/$1 fresh
  if ! [ -d "$dir" ]; then
    fresh=$(mktemp -d "$JOBS/.new-XXXXXXXX") || refuse busy "the disk of the sandbox takes no more"
    mv "$spec" "$fresh/spec.sh"
    [ "$stdin" = - ] || mv "$stdin" "$fresh/stdin"
    : >"$fresh/log"
    printf '%s' "$task" >"$fresh/task"
    mkfifo "$fresh/ctl" "$fresh/out" "$fresh/in"
    now_ms
    printf '%s' "$NOW" >"$fresh/started"
    if mv -T "$fresh" "$dir" 2>/dev/null; then
      setsid bash "$0" run "$id" </dev/null >/dev/null 2>&1 9>&- &
    else
      rm -rf "$fresh"
    fi
  fi
  rm -f "$spec"
  [ "$stdin" = - ] || rm -f "$stdin"
  begin
  print_state "$id"
}

# Ends every process that carries the command's mark, whatever session it moved to; a fork bomb is chased for a while.
sweep() {
  local round file found
  for round in {1..200}; do
    found=
    while IFS= read -r -d '' file; do
      found=1
      file=${file#/proc/}
      kill -9 "${file%/environ}" 2>/dev/null
    done < <(grep -lzxFZ -- "$MARK" /proc/[0-9]*/environ 2>/dev/null)
    [ -n "$found" ] || return 0
  done
}

# The runner: outlives whoever started it, owns the limits, the log and the exit file of one command.
op_run() {
  local dir=$JOBS/$1 pid='' code='' cause='' drained='' word arg left quiet wait size last count total tail_size dropped input
  cd "$dir" || exit 1
  start_time $$
  printf '%s %s\n' $$ "$START" >runner.new && mv runner.new runner
  # shellcheck disable=SC1091
  . ./spec.sh
  MARK="KEELSON_EXEC=$1.$$.$RANDOM$RANDOM"
  ulimit -c 0
  exec 7<>ctl
  {
    {
      stdbuf -o0 head -c $HEAD_BYTES >log
      { tee /dev/fd/3 | tail -c $TAIL_BYTES >tail.part; } 3>&1 | wc -c >count
    } <out 7>&-
    echo drained >&7
  } 2>/dev/null &
  case $stdin_kind in
    open) exec 8<>in; input=in ;;
    file) input=stdin ;;
    *) input=/dev/null ;;
  esac
  {
    (
      exec 7>&- 8>&-
      if ! cd "$WORKSPACE/$cwd" 2>/dev/null; then
        echo "there is no directory $cwd"
        exit 126
      fi
      exec env -i "PATH=$PATH" "HOME=$HOME" "USER=${USER:-user}" "LOGNAME=${USER:-user}" "${env[@]}" "$MARK" setsid "${argv[@]}"
    ) <"$input" >out 2>&1 &
    echo "pid $!" >&7
    wait $!
    echo "exit $?" >&7
  } </dev/null >/dev/null 2>&1 8>&- &
  now_ms
  local deadline=$((NOW + timeout_ms))
  while :; do
    now_ms
    left=$((deadline - NOW))
    if [ "$idle_ms" -gt 0 ]; then
      read -r size last < <(stat -c '%s %.3Y' log)
      # Beyond the head the log's own time stands still: then only the wall clock counts.
      if [ "$size" -lt $HEAD_BYTES ]; then
        last=${last/./}
        quiet=$((last + idle_ms - NOW))
        [ "$quiet" -gt 0 ] || cause=${cause:-idle_timed_out}
        [ "$quiet" -lt "$left" ] && left=$quiet
      fi
    fi
    [ $((deadline - NOW)) -gt 0 ] || cause=${cause:-timed_out}
    if [ -n "$cause" ] && [ -n "$pid" ]; then
      kill -9 -- "-$pid" 2>/dev/null
      kill -9 "$pid" 2>/dev/null
      sweep
      left=1000
    fi
    [ "$left" -gt 0 ] || left=50
    [ "$left" -lt 60000 ] || left=60000
    printf -v wait '%d.%03d' $((left / 1000)) $((left % 1000))
    read -r -t "$wait" -u 7 word arg || continue
    case $word in
      pid) pid=$arg ;;
      exit) code=$arg; break ;;
      drained) drained=1 ;;
      kill) cause=${cause:-killed} ;;
      eof) exec 8>&- ;;
    esac
  done
  # What the command left behind ends with it.
  kill -9 -- "-$pid" 2>/dev/null
  sweep
  while [ -z "$drained" ] && read -r -t 5 -u 7 word arg; do [ "$word" != drained ] || drained=1; done
  size=$(stat -c %s log)
  count=$(cat count 2>/dev/null)
  count=${count:-0}
  tail_size=$(stat -c %s tail.part 2>/dev/null || echo 0)
  total=$((size + count))
  dropped=0
  if [ "$count" -gt 0 ]; then
    dropped=$((count - tail_size))
    printf '%s' $((total - tail_size)) >tailstart
    mv tail.part tail
  fi
  if [ -n "$cause" ]; then write_exit . "$cause" - SIGKILL "$total" "$dropped"; else write_exit . exited "$code" - "$total" "$dropped"; fi
  rm -f ctl out in tail.part count stdin spec.sh
}

# op_poll EXEC CURSOR MAXBYTES WAITMS: state, then `chunk OFFSET` and its bytes in base64 when there are any.
op_poll() {
  known "$1"
  local dir=$JOBS/$1 cursor=$2 max=$3 size deadline pause=20 tick
  now_ms
  deadline=$((NOW + $4))
  exec {tick}<> <(:)
  while ! [ -f "$dir/exit" ]; do
    size=$(stat -c %s "$dir/log")
    [ "$size" -le "$cursor" ] || break
    is_watched "$dir" || break
    now_ms
    [ "$NOW" -lt "$deadline" ] || break
    read -r -t "0.$(printf '%03d' $pause)" -u "$tick"
    [ $pause -ge 150 ] || pause=$((pause + 10))
  done
  begin
  print_state "$1"
  print_chunk "$dir" "$cursor" "$max"
}
print_chunk() {
  local dir=$1 cursor=$2 max=$3 size start end
  [ "$max" -gt 0 ] || return 0
  size=$(stat -c %s "$dir/log")
  if [ "$cursor" -lt "$size" ]; then
    printf 'chunk %s\n' "$cursor"
    tail -c "+$((cursor + 1))" "$dir/log" | head -c "$max" | base64 -w0
  elif [ -f "$dir/tail" ]; then
    start=$(<"$dir/tailstart")
    end=$((start + $(stat -c %s "$dir/tail")))
    [ "$cursor" -ge "$start" ] || cursor=$start
    [ "$cursor" -lt "$end" ] || return 0
    printf 'chunk %s\n' "$cursor"
    tail -c "+$((cursor - start + 1))" "$dir/tail" | head -c "$max" | base64 -w0
  fi
}

# op_output EXEC HEADBYTES TAILBYTES: state, `kept LOG TAILSTART TAIL`, then both parts in base64, one line each.
op_output() {
  known "$1"
  local dir=$JOBS/$1 head=$2 last=$3 size start tail_size=0 from end
  begin
  print_state "$1"
  size=$(stat -c %s "$dir/log")
  start=$size
  if [ -f "$dir/tail" ]; then
    start=$(<"$dir/tailstart")
    tail_size=$(stat -c %s "$dir/tail")
  fi
  [ "$head" -lt "$size" ] || head=$size
  end=$((start + tail_size))
  from=$((end - last))
  [ "$from" -gt "$head" ] || from=$head
  head -c "$head" "$dir/log" | base64 -w0
  printf '\n'
  {
    if [ "$from" -lt "$size" ] && { [ "$tail_size" -eq 0 ] || [ "$start" -eq "$size" ]; }; then
      tail -c "+$((from + 1))" "$dir/log" | head -c $((size - from))
    fi
    if [ "$tail_size" -gt 0 ]; then
      [ "$from" -gt "$start" ] || from=$start
      tail -c "+$((from - start + 1))" "$dir/tail"
    fi
  } | base64 -w0
}

order() { if is_watched "$JOBS/$1"; then echo "$2" 1<>"$JOBS/$1/ctl" 2>/dev/null; fi; }
await_exit() {
  local tick tries
  exec {tick}<> <(:)
  for tries in {1..300}; do
    if [ -f "$JOBS/$1/exit" ] || ! is_watched "$JOBS/$1"; then break; fi
    read -r -t 0.04 -u "$tick"
  done
  exec {tick}>&-
}
op_kill() {
  known "$1"
  [ -f "$JOBS/$1/exit" ] || order "$1" kill
  await_exit "$1"
  begin
  print_state "$1"
}
each_job() {
  local dir
  for dir in "$JOBS"/*/; do
    [ -f "$dir/started" ] || continue
    dir=${dir%/}
    if [ "$1" = - ] || [ "$(<"$dir/task")" = "$1" ]; then echo "${dir##*/}"; fi
  done
}
op_killall() {
  local id killed=()
  while read -r id; do
    [ ! -f "$JOBS/$id/exit" ] || continue
    order "$id" kill
    killed+=("$id")
  done < <(each_job "$1")
  for id in "${killed[@]}"; do await_exit "$id"; done
  begin
  for id in "${killed[@]}"; do print_state "$id"; done
}
op_execs() {
  local id
  begin
  while read -r id; do print_state "$id"; done < <(each_job "$1")
}
# op_input EXEC DATAFILE|-
op_input() {
  known "$1"
  [ ! -f "$JOBS/$1/exit" ] || bad "the command $1 has ended"
  if [ "$2" = - ]; then
    order "$1" eof
  else
    timeout 10 bash -c 'cat -- "$1" 1<>"$2"' _ "$2" "$JOBS/$1/in" || bad "the command $1 does not read its input"
    rm -f "$2"
  fi
  begin
}
# op_forfeit EXEC TASK …: records commands of a VM that was lost, so that starting one again finds it lost.
op_forfeit() {
  local fresh
  while [ $# -ge 2 ]; do
    if ! [ -d "$JOBS/$1" ]; then
      fresh=$(mktemp -d "$JOBS/.new-XXXXXXXX")
      : >"$fresh/log"
      printf '%s' "$2" >"$fresh/task"
      now_ms
      printf '%s' "$NOW" >"$fresh/started"
      write_exit "$fresh" lost - - 0 0
      mv -T "$fresh" "$JOBS/$1" 2>/dev/null || rm -rf "$fresh"
    fi
    shift 2
  done
  begin
}
# Prints the commands that ended longer ago than this.
old_jobs() {
  local id status code signal ended
  now_ms
  while read -r id; do
    read -r status code signal ended _ 2>/dev/null <"$JOBS/$id/exit" || continue
    if [ $((NOW - $1)) -gt "$ended" ]; then echo "$id"; fi
  done < <(each_job -)
}
# op_oldtasks OLDERTHANMS: the tasks of commands that ended before that, at most 1,000.
op_oldtasks() {
  local id
  begin
  old_jobs "$1" | while read -r id; do
    cat "$JOBS/$id/task"
    echo
  done | sort -u | head -n 1000
}
# op_prune OLDERTHANMS TASKSFILE: forgets what ended before that, of these tasks alone; prints how many.
op_prune() {
  local id count=0
  while read -r id; do
    grep -qxF -- "$(<"$JOBS/$id/task")" "$2" || continue
    rm -rf "${JOBS:?}/$id"
    count=$((count + 1))
  done < <(old_jobs "$1")
  rm -f "$2"
  find "$STAGING" "$PACKS" -type f -mmin +60 -delete
  begin
  printf 'count %s\n' $count
}

# ---- files ----

is_inside() { [ "$1" = "$WORKSPACE" ] || [ "${1#"$WORKSPACE"/}" != "$1" ]; }
# REAL: where a path leads; refuses what is missing or outside.
resolve() {
  if ! [ -e "$WORKSPACE/$1" ] && ! [ -L "$WORKSPACE/$1" ]; then bad "there is no $2 ${1:-.}"; fi
  REAL=$(realpath -e -- "$WORKSPACE/$1" 2>/dev/null) || bad "$1 is a link to something that does not exist in the workspace"
  is_inside "$REAL" || bad "$1 leads out of the workspace"
}
# PARENT: the real directory that holds a path; empty when there is none.
resolve_parent() {
  local path=$WORKSPACE/$1
  PARENT=$(realpath -e -- "${path%/*}" 2>/dev/null) || return 0
  is_inside "$PARENT" || bad "$1 leads out of the workspace"
}

# op_read PATH OFFSET LENGTH: `file SIZE`, then the part in base64.
op_read() {
  resolve "$1" file
  [ ! -d "$REAL" ] || bad "${1:-.} is a directory"
  [ -f "$REAL" ] || bad "$1 is not a regular file"
  [ -r "$REAL" ] || bad "$1 cannot be read"
  begin
  printf 'file %s\n' "$(stat -c %s -- "$REAL")"
  tail -c "+$(($2 + 1))" -- "$REAL" | head -c "$3" | base64 -w0
}

# op_write PAYLOAD: a count, then for each file mode (or -), size and path, all ended by NUL; then the data of all.
op_write() {
  local payload=$1 count i mode size rel real dir base staged known_dir='' known_real='' top
  local modes=() sizes=() rels=()
  exec 5<"$payload"
  IFS= read -r -d '' -u 5 count
  for ((i = 0; i < count; i++)); do
    IFS= read -r -d '' -u 5 mode && IFS= read -r -d '' -u 5 size && IFS= read -r -d '' -u 5 rel || bad "the files arrived in part"
    modes+=("$mode") sizes+=("$size") rels+=("$rel")
  done
  for ((i = 0; i < count; i++)); do
    rel=${rels[i]} mode=${modes[i]}
    staged=$STAGING/$$.$RANDOM.$i
    head -c "${sizes[i]}" <&5 >"$staged"
    real=$WORKSPACE/$rel
    if [ -e "$real" ] || [ -L "$real" ]; then
      resolve "$rel" file
      real=$REAL
      [ ! -d "$real" ] || bad "${rel:-the workspace itself} is a directory"
      [ -f "$real" ] || bad "$rel is not a regular file"
      [ "$mode" != - ] || mode=$(stat -c %a -- "$real")
    else
      dir=${real%/*} base=${real##*/}
      if [ "$dir" != "$known_dir" ]; then
        top=$dir
        while ! [ -e "$top" ] && ! [ -L "$top" ]; do top=${top%/*}; done
        known_real=$(realpath -e -- "$top" 2>/dev/null) && is_inside "$known_real" || bad "$rel leads out of the workspace"
        mkdir -p -- "$dir" 2>/dev/null || bad "$rel cannot be written: ${top#"$WORKSPACE"/} is not a directory"
        known_real=$(realpath -e -- "$dir" 2>/dev/null) && is_inside "$known_real" || bad "$rel leads out of the workspace"
        known_dir=$dir
      fi
      real=$known_real/$base
      [ "$mode" != - ] || mode=644
    fi
    chmod "$mode" "$staged"
    mv -fT -- "$staged" "$real" 2>/dev/null || bad "$rel cannot be written"
  done
  rm -f "$payload"
  begin
}

# op_stat PATH: `stat MODE SIZE` with the raw mode in hex, or `none`.
op_stat() {
  local found
  if [ -z "$1" ]; then PARENT=$WORKSPACE; else resolve_parent "$1"; fi
  begin
  if [ -n "$PARENT" ] && found=$(stat -c '%f %s' -- "$WORKSPACE/$1" 2>/dev/null); then printf 'stat %s\n' "$found"; else echo none; fi
}

# op_list PATH DEPTH LIMIT MAXBYTES: level by level; directories of no more than their share whole, the others their
# directories first, and at the end what is left of LIMIT is shared among these. In base64 and in no order, each ended by
# NUL: kind TAB size TAB path of what is listed; `-` TAB count or `?` TAB path of a directory of which so many are missing.
op_list() {
  local work depth at count left=$3
  local bytes=$4 deepest=$2
  resolve "$1" directory
  [ -d "$REAL" ] || bad "$1 is not a directory"
  work=$(mktemp -d "$STAGING/list-XXXXXXXX") || refuse busy "the disk of the sandbox takes no more"
  cd "$REAL" || bad "$1 cannot be read"
  printf '.\0' >"$work/level"
  : >"$work/listed"
  : >"$work/large"
  for ((depth = 1; depth <= deepest; depth++)); do
    [ -s "$work/level" ] || break
    list_level
    grep -z '^d' "$work/found" | cut -z -f3- >"$work/level"
  done
  # What the small ones left is for the large ones; the first number is what is missing, the second what was listed.
  sort -zn "$work/large" >"$work/sorted"
  while share_out "$work/sorted"; do
    if [ "$share" -gt 0 ]; then
      by_name "$at" | tail -z -n "+$((had + 1))" | head -z -n "$share" >>"$work/listed"
    fi
    if [ "$count" -gt "$share" ]; then printf '%s\t%s\t%s\0' - $((count - share)) "$at" >>"$work/listed"; fi
  done
  begin
  printf 'base %s\n' "$(printf '%s' "${REAL#"$WORKSPACE"}" | base64 -w0)"
  head -c "$bytes" "$work/listed" | base64 -w0
  rm -rf "$work"
}
# What the directories in `level` hold goes to `found` and `listed`; what is more than a share goes to `large`.
list_level() {
  local large=0
  xargs -0 -a "$work/level" bash -c 'find "$@" -maxdepth 0 ! \( -readable -executable \) -printf "-\t?\t%p\0" 2>/dev/null' - >>"$work/listed"
  xargs -0 -a "$work/level" bash -c 'find "$@" -mindepth 1 -maxdepth 1 -printf "%h\0" 2>/dev/null' - | uniq -zc | sed -z 's/^ *\([0-9]*\) /\1 0 /' | sort -zn >"$work/sorted"
  : >"$work/whole"
  : >"$work/found"
  while share_out "$work/sorted"; do
    if [ "$count" -le "$share" ]; then
      printf '%s\0' "$at" >>"$work/whole"
      continue
    fi
    # Half of the share is for what lies deeper. Each of these costs some processes, so no more than 200 of a level do.
    had=0
    if [ $((large++)) -lt 200 ] && [ "$share" -gt 0 ]; then
      find "$at" -mindepth 1 -maxdepth 1 -type d -printf '%y\t%s\t%p\0' 2>/dev/null | sort -z -t $'\t' -k3 | head -z -n $(((share + 1) / 2)) >"$work/some"
      had=$(grep -zc '' "$work/some")
      cat "$work/some" >>"$work/found"
    fi
    left=$((left + share - had))
    printf '%s %s %s\0' $((count - had)) "$had" "$at" >>"$work/large"
  done
  xargs -0 -r -a "$work/whole" bash -c 'find "$@" -mindepth 1 -maxdepth 1 -printf "%y\t%s\t%p\0" 2>/dev/null' - >>"$work/found"
  cat "$work/found" >>"$work/listed"
}
# share_out FILE: the next record `count had path` of a list that is sorted by counts, and its share of what is left, which is
# taken from it; false at the end. Whoever needs less than a share leaves the rest to those behind.
share_out() {
  if [ -z "${SHARERS:-}" ]; then
    SHARERS=$(grep -zc '' "$1")
    exec 6<"$1"
  fi
  if ! IFS= read -r -d '' -u 6 record; then
    SHARERS=
    exec 6<&-
    return 1
  fi
  count=${record%% *} record=${record#* }
  had=${record%% *} at=${record#* }
  share=$((left / SHARERS))
  SHARERS=$((SHARERS - 1))
  [ "$share" -le "$count" ] || share=$count
  left=$((left - share))
}
# by_name DIR: its directories and then the rest, each in order of names.
by_name() {
  find "$1" -mindepth 1 -maxdepth 1 -type d -printf '%y\t%s\t%p\0' 2>/dev/null | sort -z -t $'\t' -k3
  find "$1" -mindepth 1 -maxdepth 1 ! -type d -printf '%y\t%s\t%p\0' 2>/dev/null | sort -z -t $'\t' -k3
}
op_remove() {
  [ -n "$1" ] || bad "the workspace itself cannot be removed"
  resolve_parent "$1"
  if [ -n "$PARENT" ]; then rm -rf -- "$PARENT/${1##*/}" 2>/dev/null || bad "$1 cannot be removed"; fi
  begin
}
op_usage() {
  begin
  printf 'usage %s %s\n' "$(du -s -B1 "$WORKSPACE" 2>/dev/null | cut -f1)" "$(find "$WORKSPACE" ! -type d -printf x 2>/dev/null | wc -c)"
}

# ---- checkpoints ----

g() {
  GIT_DIR=$SHADOW GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_OPTIONAL_LOCKS=0 \
    GIT_TERMINAL_PROMPT=0 HOME=/nonexistent git --no-pager "$@"
}
require_tree() { g cat-file -e "$1^{tree}" 2>/dev/null || bad "there is no checkpoint $1 in this sandbox"; }

# Same rules as local-bwrap/snapshot.ts: what tools make again by themselves is not part of a checkpoint.
IGNORED='.git node_modules .venv __pycache__ .next .nuxt .svelte-kit .turbo .parcel-cache .pytest_cache .mypy_cache .ruff_cache .tox .nox .gradle .terraform .cache .nyc_output'
BUILDS='dist build target out coverage venv'
HAS_MANIFEST='d=${1%/*}; for m in package.json pyproject.toml setup.py requirements.txt Cargo.toml pom.xml build.gradle build.gradle.kts CMakeLists.txt build.sbt; do [ -e "$d/$m" ] || [ -L "$d/$m" ] && exit 0; done; exit 1'
names() {
  local out=() name
  for name in $1; do out+=(-o -name "$name"); done
  NAMES=("${out[@]:1}")
}

# INDEX: an index of all files of the workspace; TREE: its tree, stored in the shadow directory.
take_tree() {
  local work ignored builds rare path link i=0
  work=$(mktemp -d "$STAGING/tree-XXXXXXXX")
  names "$IGNORED" && ignored=("${NAMES[@]}")
  names "$BUILDS" && builds=("${NAMES[@]}")
  INDEX=$work/index
  cd "$WORKSPACE" || bad "the workspace is missing"
  local walk=(find . -mindepth 1 -maxdepth 65
    \( -type d \( "${ignored[@]}" \) -prune \)
    -o \( -type d \( "${builds[@]}" \) -exec sh -c "$HAS_MANIFEST" _ {} \; -prune \)
    -o \( -name .git -o -path ./.claude/project-context.md -o -path ./.claude/memory.md \))
  rare=$(printf '*[\n\r]*')
  "${walk[@]}" -o -type f -readable -size "-$((MAX_FILE_BYTES + 1))c" ! -path "$rare" \
    \( -perm -100 -printf '100755\t%p\n' -o -printf '100644\t%p\n' \) 2>/dev/null >"$work/list"
  cut -f1 "$work/list" >"$work/modes"
  cut -f2- "$work/list" >"$work/paths"
  g hash-object -w --no-filters --stdin-paths <"$work/paths" >"$work/hashes" 2>/dev/null || { rm -rf "$work"; return 1; }
  paste -d ' \t' "$work/modes" "$work/hashes" "$work/paths" | sed 's|^\([0-9]* [0-9a-f]*\t\)\./|\1|' | tr '\n' '\0' >"$work/entries"
  # Names with line ends in them cannot be listed by lines.
  while IFS= read -r -d '' path; do
    link=$(g hash-object -w --no-filters -- "${path#* }" 2>/dev/null) || continue
    printf '%s %s\t%s\0' "${path%% *}" "$link" "${path#* ./}" >>"$work/entries"
  done < <("${walk[@]}" -o -type f -readable -size "-$((MAX_FILE_BYTES + 1))c" -path "$rare" \( -perm -100 -printf '100755 %p\0' -o -printf '100644 %p\0' \) 2>/dev/null)
  : >"$work/links"
  local linked=()
  while IFS= read -r -d '' path && IFS= read -r -d '' link; do
    printf '%s' "$link" >"$work/link.$i"
    printf '%s\n' "$work/link.$i" >>"$work/links"
    linked+=("${path#./}")
    i=$((i + 1))
  done < <("${walk[@]}" -o -type l -printf '%p\0%l\0' 2>/dev/null)
  if [ $i -gt 0 ]; then
    i=0
    while read -r link; do
      printf '120000 %s\t%s\0' "$link" "${linked[i]}" >>"$work/entries"
      i=$((i + 1))
    done < <(g hash-object -w --no-filters --stdin-paths <"$work/links")
  fi
  GIT_INDEX_FILE=$INDEX g update-index -z --index-info <"$work/entries" || { rm -rf "$work"; return 1; }
  TREE=$(GIT_INDEX_FILE=$INDEX g write-tree) || { rm -rf "$work"; return 1; }
  WORK=$work
}
# A file that goes away between the walk and its reading makes a try fail.
snapshot() {
  local tries
  for tries in 1 2 3 4 5; do take_tree && return 0; done
  refuse busy "the workspace changes too fast for a checkpoint"
}

# print_pack TREE… -- BASE…: the objects of the first that the second do not reach.
print_pack() {
  local file
  file=$(mktemp "$PACKS/XXXXXXXX")
  { while [ $# -gt 0 ] && [ "$1" != -- ]; do printf '%s\n' "$1"; shift; done; shift; for base in "$@"; do printf '^%s\n' "$base"; done; } |
    g pack-objects --revs --stdout -q >"$file" 2>/dev/null || bad "the checkpoint cannot be packed"
  printf 'pack %s %s\n' "$(stat -c %s "$file")" "$file"
  if [ "$(stat -c %s "$file")" -le $INLINE_PACK_BYTES ]; then
    base64 -w0 "$file"
    rm -f "$file"
  fi
}
# op_checkpoint BASE|-: `tree HASH`, and what of it the base, stored outside, has not.
op_checkpoint() {
  snapshot
  rm -rf "$WORK"
  begin
  printf 'tree %s\n' "$TREE"
  [ "$TREE" != "$1" ] || return 0
  if [ "$1" != - ] && g cat-file -e "$1^{tree}" 2>/dev/null; then
    printf 'base %s\n' "$1"
    print_pack "$TREE" -- "$1"
  else
    printf 'base -\n'
    print_pack "$TREE" --
  fi
}
# op_pack TREE…: everything of these trees that are here.
op_pack() {
  local here=() tree
  for tree in "$@"; do if g cat-file -e "$tree^{tree}" 2>/dev/null; then here+=("$tree"); fi; done
  begin
  printf 'trees %s\n' "${here[*]}"
  print_pack "${here[@]}" --
}
# op_give TREE BASE|-: `pack SIZE FILE` with what the base has not, for another VM.
op_give() {
  require_tree "$1"
  begin
  if [ "$2" != - ] && g cat-file -e "$2^{tree}" 2>/dev/null; then print_pack "$1" -- "$2"; else print_pack "$1" --; fi
}
op_import() {
  g index-pack --stdin --fix-thin <"$1" >/dev/null 2>&1 || bad "the stored checkpoint cannot be read"
  rm -f "$1"
  begin
}
op_has() {
  begin
  if g cat-file -e "$1^{tree}" 2>/dev/null; then echo yes; else echo no; fi
}

DIFF=(diff --no-ext-diff --no-textconv --no-renames --no-color)
op_changes() {
  require_tree "$1"
  require_tree "$2"
  begin
  g "${DIFF[@]}" --raw --numstat -z "$1" "$2" -- | head -c "$3" | base64 -w0
}
# op_diff FROM TO MAXBYTES CONTEXTLINES PATH…
op_diff() {
  local from=$1 to=$2 max=$3 context=$4
  shift 4
  require_tree "$from"
  require_tree "$to"
  begin
  g --literal-pathspecs "${DIFF[@]}" --unified="$context" "$from" "$to" -- "$@" | head -c "$max" | base64 -w0
}

# op_files TREE MAXBYTES: `content FILE`, then in base64 the tree's list, ended by NUL each; the file holds what `cat-file` says of it.
op_files() {
  local file
  require_tree "$1"
  file=$(mktemp "$PACKS/XXXXXXXX")
  g ls-tree -r --format='%(objectname)' "$1" | g cat-file --batch >"$file" || bad "the checkpoint cannot be read"
  begin
  printf 'content %s\n' "$file"
  g ls-tree -r -z "$1" | head -c "$2" | base64 -w0
}

# op_restore TREE PATH…: makes the files equal to the tree, or those at the paths. An interrupted one is finished by another.
op_restore() {
  local tree=$1 status path dir refused=
  shift
  require_tree "$tree"
  snapshot
  cd "$WORKSPACE" || exit 1
  : >"$WORK/put"
  while IFS= read -r -d '' status && IFS= read -r -d '' path; do
    if [ "$status" = D ]; then
      rm -f -- "./$path" 2>/dev/null
      dir=$path
      while [ "${dir%/*}" != "$dir" ]; do
        dir=${dir%/*}
        rmdir -- "./$dir" 2>/dev/null || break
      done
    else
      printf '%s\0' "$path" >>"$WORK/put"
    fi
  done < <(g --literal-pathspecs diff-tree -r -z --no-renames --name-status "$TREE" "$tree" -- "$@")
  while IFS= read -r -d '' path; do
    if [ -d "./$path" ] && ! [ -L "./$path" ] && ! rmdir -- "./$path" 2>/dev/null; then refused=$path; break; fi
  done <"$WORK/put"
  if [ -z "$refused" ]; then
    GIT_INDEX_FILE=$WORK/target g read-tree "$tree" &&
      GIT_INDEX_FILE=$WORK/target GIT_WORK_TREE=$WORKSPACE g -c core.bare=false checkout-index -f -q -z --stdin <"$WORK/put" || refused='a file'
  fi
  rm -rf "$WORK"
  [ -z "$refused" ] || bad "$refused cannot be restored: a directory with other files is in its place"
  begin
}

# ---- what checkpoints leave out ----

# Prints each file of it: path TAB mode, size, times and inode, ended by NUL, sorted. Of a git directory what steers it.
left_out() {
  local ignored builds place part
  names "$IGNORED" && ignored=("${NAMES[@]}")
  names "$BUILDS" && builds=("${NAMES[@]}")
  cd "$WORKSPACE" || return 0
  find . -mindepth 1 -maxdepth 65 \( -type d \( "${ignored[@]}" \) -prune -print0 \) \
    -o \( -type d \( "${builds[@]}" \) -exec sh -c "$HAS_MANIFEST" _ {} \; -prune -print0 \) \
    -o \( -type f -size "+${MAX_FILE_BYTES}c" -print0 \) 2>/dev/null |
    while IFS= read -r -d '' place; do
      if [ "${place##*/}" != .git ]; then set -- "$place"; else set -- "$place"/{HEAD,packed-refs,refs,info,config,hooks}; fi
      for part; do find "$part" ! -type d ! -name '*.sample' -printf '%P\t%p\t%m %s %T@ %C@ %i\0' 2>/dev/null; done
    done | head -z -n $MAX_MARKED | cut -z -f2- | sort -z
}
# op_mark KEY: keeps how it is now; what is kept already stays.
op_mark() {
  local fresh
  mkdir -p "$MARKS"
  if ! [ -f "$MARKS/$1" ]; then
    fresh=$(mktemp "$MARKS/.new-XXXXXXXX") || refuse busy "the disk of the sandbox takes no more"
    left_out >"$fresh"
    mv "$fresh" "$MARKS/$1"
  fi
  begin
}
# op_since KEY MAXBYTES: in base64 the lines that are only in the mark, and after a TAB those that are only here.
op_since() {
  begin
  [ -f "$MARKS/$1" ] || return 0
  comm -z -3 "$MARKS/$1" <(left_out) | head -c "$2" | base64 -w0
}

operation=$1
shift
[ -z "${KEELSON_LEASE:-}" ] || fence "$KEELSON_LEASE" "$operation"
{ [ -f "$SHADOW/HEAD" ] && [ -d "$JOBS" ] && [ -d "$STAGING" ] && [ -d "$PACKS" ]; } || [ "$operation" = init ] || make_directories
"op_$operation" "$@"
