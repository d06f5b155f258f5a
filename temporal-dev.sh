#!/bin/sh
# Starts Temporal's development server with the settings that Keelson needs. The only place that knows its flags.
#
#   ./temporal-dev.sh [--port N] [--ui-ip IP --ui-port N | --headless] [--db FILE] [--namespace NAME] [--bin PATH]
#
# Data survives in FILE. Everything listens on the loopback interface only, but asks nobody who they are: every user of the
# machine can read, signal and end workflows. The server takes the place of this shell, so that a signal to it is a signal
# to the server.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
home=${KEELSON_HOME:-$here/.keelson}
port=7233
ui_ip=127.0.0.1
ui_port=8233
headless=
db=
namespace=keelson
bin=

usage() {
  sed -n '2,8s/^# \{0,1\}//p' "$0"
}

while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --headless) headless=--headless; shift ;;
    --port | --ui-ip | --ui-port | --db | --namespace | --bin)
      if [ $# -lt 2 ]; then echo "temporal-dev.sh: $1 needs a value" >&2; exit 2; fi
      case $1 in
        --port) port=$2 ;;
        --ui-ip) ui_ip=$2 ;;
        --ui-port) ui_port=$2 ;;
        --db) db=$2 ;;
        --namespace) namespace=$2 ;;
        --bin) bin=$2 ;;
      esac
      shift 2 ;;
    *) echo "temporal-dev.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
  esac
done

if [ -z "$bin" ]; then
  if [ -x "$home/bin/temporal" ]; then bin=$home/bin/temporal
  elif command -v temporal >/dev/null 2>&1; then bin=temporal
  else
    echo "temporal-dev.sh: no temporal command found; 'npm start' gets one, or give its path with --bin" >&2
    exit 1
  fi
fi
if [ -z "$db" ]; then db=$home/temporal/temporal.db; fi
umask 077
mkdir -p "$(dirname "$db")"
if [ -z "$headless" ]; then ui="--ui-ip $ui_ip --ui-port $ui_port"; else ui=$headless; fi

# The server makes the namespace with one day of retention; ended tasks shall stay visible for 30. This waits beside the
# server, at most 60 s, and ends with it. The double fork leaves no child behind that the server would have to reap.
server=$$
(
  (
    tries=0
    while [ $tries -lt 120 ] && kill -0 "$server" 2>/dev/null; do
      tries=$((tries + 1))
      if config=$("$bin" operator namespace describe -n "$namespace" --address "127.0.0.1:$port" -o json 2>/dev/null); then
        case $config in
          *'"2592000s"'*) exit 0 ;;
        esac
        if "$bin" operator namespace update -n "$namespace" --retention 30d --address "127.0.0.1:$port" >/dev/null 2>&1; then
          exit 0
        fi
      fi
      sleep 0.5
    done
    if kill -0 "$server" 2>/dev/null; then
      echo "temporal-dev.sh: the retention of namespace $namespace could not be set to 30 days" >&2
    fi
  ) &
)

# The HTTP API answers to no name but this machine's own: a web page that rebinds its name cannot read it.
# The two poll rates: with one history shard their default of 20 holds every step to a grid of 50 ms.
# WAL with synchronous=2: twice the default journal's throughput, and a power cut still loses nothing.
exec "$bin" server start-dev \
  --ip 127.0.0.1 \
  --port "$port" \
  $ui \
  --ui-disable-news-fetch \
  --db-filename "$db" \
  --sqlite-pragma journal_mode=wal \
  --sqlite-pragma synchronous=2 \
  --dynamic-config-value 'frontend.httpAllowedHosts=["127.0.0.1:*","localhost:*"]' \
  --dynamic-config-value history.transferProcessorMaxPollRPS=2000 \
  --dynamic-config-value history.timerProcessorMaxPollRPS=2000 \
  --namespace "$namespace" \
  --search-attribute KeelsonProject=Keyword \
  --search-attribute KeelsonPhase=Keyword \
  --search-attribute KeelsonVerdict=Keyword \
  --log-level warn
