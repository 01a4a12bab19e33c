#!/usr/bin/env bash
# Schedulers side by side on OpenCue's own schema: each books the same farm, in turn, on a server of its own.
#
#   bench/compare.sh [-a] [-r ROUNDS] [-j JOBS] [-f FRAMES] [-H HOSTS] MIGRATIONS NAME[:FILE]=COMMAND...
#
# MIGRATIONS is a folder of V*.sql. A job has four layers of FRAMES frames. FILE is SQL that is run after seeding.
# COMMAND must book without launching (a dry run) until it is ended. It finds the database in PGHOST, PGPORT, PGUSER,
# PGDATABASE and CUE_DATABASE_URL, and a free port for a server of its own in COMPARE_PORT. It may start several programs
# in the background and wait for them. With -a every frame is then put back, and booked again by the same process.
#
# Prints a row for each run: frames/s from the first booking to the last; processor time of all of PostgreSQL's
# processes, statements, and pages that they read in its cache, each divided by the frames; the most memory that the
# command took, MiB; and how many counters differ from what they count.
set -euo pipefail

ROUNDS=5 JOBS=300 FRAMES=5 HOSTS=1200 AGAIN=''
while getopts ar:j:f:H: option; do
    case $option in
    a) AGAIN=yes ;;
    r) ROUNDS=$OPTARG ;; j) JOBS=$OPTARG ;; f) FRAMES=$OPTARG ;; H) HOSTS=$OPTARG ;;
    *) sed -n '2,/^set/p' "$0" | grep '^#' >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || { sed -n '2,/^set/p' "$0" | grep '^#' >&2; exit 2; }
MIGRATIONS=$1
shift
HERE=$(cd "$(dirname "$0")" && pwd)
BIN=$(pg_config --bindir 2>/dev/null) && [ -x "$BIN/initdb" ] || BIN=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
TOTAL=$((JOBS * 4 * FRAMES))
DIR='' SCHEDULER=''
export PGOPTIONS='--client-min-messages=error'

# The server does not run as root.
as_server() { if [ "$(id -u)" = 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups "$@"; else "$@"; fi; }

# All processes of the command.
stop_scheduler() {
    [ -z "$SCHEDULER" ] || { kill -- -"$SCHEDULER" 2>/dev/null && wait "$SCHEDULER" 2>/dev/null; } || true
    SCHEDULER=''
}

stop() {
    stop_scheduler
    [ -z "$DIR" ] || as_server "$BIN/pg_ctl" -D "$DIR/data" -m immediate stop >/dev/null 2>&1 || true
    [ -z "$DIR" ] || rm -rf "$DIR"
    DIR=''
}
trap stop EXIT

free_port() {
    local port
    while port=$((20000 + RANDOM % 20000)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

start() {
    DIR=$(mktemp -d)
    [ "$(id -u)" != 0 ] || chown postgres "$DIR"
    export PGHOST=127.0.0.1 PGPORT PGUSER=postgres PGDATABASE=cuebot COMPARE_PORT
    PGPORT=$(free_port) COMPARE_PORT=$(free_port)
    export CUE_DATABASE_URL=postgres://postgres@127.0.0.1:$PGPORT/cuebot
    as_server "$BIN/initdb" -D "$DIR/data" -U postgres --auth=trust --no-sync >/dev/null
    # The disk is not what is compared.
    printf '%s\n' "listen_addresses='127.0.0.1'" "port=$PGPORT" "unix_socket_directories=''" max_connections=200 \
        fsync=off synchronous_commit=off shared_buffers=512MB "shared_preload_libraries='pg_stat_statements'" \
        >>"$DIR/data/postgresql.conf"
    as_server "$BIN/pg_ctl" -D "$DIR/data" -l "$DIR/log" -w start >/dev/null
    psql -qd postgres -c 'CREATE ROLE cuebot SUPERUSER LOGIN' -c 'CREATE DATABASE cuebot'
    local migration
    for migration in $(printf '%s\n' "$MIGRATIONS"/V*.sql | sort -V); do
        psql -qv ON_ERROR_STOP=1 -f "$migration" >/dev/null
    done
    psql -qc 'CREATE EXTENSION pg_stat_statements'
    psql -q -v hosts="$HOSTS" -v jobs="$JOBS" -v layers=4 -v frames="$FRAMES" -f "$HERE/sql/compare_seed.sql" >/dev/null
}

ask() { psql -qAtc "$1"; }

# Clock ticks of all processes of the server, ended ones included.
ticks() {
    local postmaster
    postmaster=$(head -1 "$DIR/data/postmaster.pid")
    { cat /proc/[0-9]*/stat 2>/dev/null || true; } | sed 's/([^)]*)//' |
        awk -v p="$postmaster" '$1 == p { sum += $13 + $14 + $15 + $16 } $3 == p { sum += $13 + $14 } END { print sum }'
}

# The most memory of all processes of the command, MiB.
memory() {
    { pgrep -g "$SCHEDULER" | sed 's|.*|/proc/&/status|' | xargs cat 2>/dev/null || true; } |
        awk '/^VmHWM/ { sum += $2 } END { printf "%.0f", sum / 1024 }'
}

# Waits until all is booked, or nothing has been for half a minute.
wait_for_bookings() {
    local booked=-1 still=0 now
    while [ $still -lt 60 ]; do
        sleep 0.5
        now=$(ask "SELECT count(*) FROM proc")
        [ "$now" -lt "$TOTAL" ] || return 0
        kill -0 "$SCHEDULER" 2>/dev/null || { tail -5 "$DIR/scheduler" >&2; return 0; }
        if [ "$now" = "$booked" ]; then still=$((still + 1)); else still=0 booked=$now; fi
    done
}

# Waits for the bookings of a scheduler that "$@" starts or wakes, and prints the row of this name.
measure() {
    local name=$1 before after memory
    shift
    ask 'SELECT pg_stat_statements_reset()' >/dev/null
    before=$(ticks)
    "$@"
    wait_for_bookings
    after=$(ticks) memory=$(memory)
    ask "SELECT '| $name | ' || frames || ' | ' || round((frames - 1) / greatest(seconds, 0.001))
            || ' | ' || round(($after - $before) * 10.0 / greatest(frames, 1), 3)
            || ' | ' || round(calls / greatest(frames, 1), 3) || ' | ' || round(pages / greatest(frames, 1)) || ' | $memory |'
        FROM (SELECT count(*)::numeric AS frames, extract(epoch FROM max(ts_booked) - min(ts_booked)) AS seconds FROM proc) p,
             (SELECT sum(calls) AS calls, sum(shared_blks_hit) AS pages FROM pg_stat_statements
              WHERE query NOT LIKE '%pg_stat_%' AND query NOT LIKE '%FROM proc') s" | tr '\n' ' '
    echo "$(psql -qAtf "$HERE/sql/compare_audit.sql") |"
}

launch() {
    env -u PGOPTIONS setsid bash -c "$1" >"$DIR/scheduler" 2>&1 &
    SCHEDULER=$!
}

resume() { psql -qc 'UPDATE job SET b_paused = false'; }

run() {
    local name=$1 file=$2 command=$3
    start
    [ -z "$file" ] || psql -qv ON_ERROR_STOP=1 -f "$file" >/dev/null
    measure "$name" launch "$command"
    if [ -n "$AGAIN" ]; then
        psql -qf "$HERE/sql/compare_put_back.sql" >/dev/null
        measure "$name, again" resume
    fi
    stop
}

echo "$JOBS jobs of 4 layers of $FRAMES frames, $TOTAL frames in all, $HOSTS hosts" >&2
echo '| scheduler | frames booked | frames/s | database CPU ms a frame | statements a frame | pages a frame | memory MiB | counters that differ |'
echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
for _ in $(seq "$ROUNDS"); do
    for scheduler in "$@"; do
        name=${scheduler%%=*} command=${scheduler#*=} file=''
        case $name in *:*) file=${name#*:} name=${name%%:*} ;; esac
        run "$name" "$file" "$command"
    done
done
