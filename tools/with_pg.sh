#!/bin/sh
# Run a command beside a throw-away PostgreSQL server of its own.
#
#     with_pg.sh COMMAND...
#
# The command finds the server's address in HEDDLE_TEST_PG, and in HEDDLE_TEST_PG_CTL a program that takes
# stop (fast), crash (immediate) or start. The server is made in a temporary folder, listens on a free loopback
# port and a Unix socket, keeps fsync on unless HEDDLE_TEST_PG_FSYNC is off, and is stopped and removed when the command ends. With HEDDLE_TEST_PG
# set already, or without PostgreSQL on this machine, the command is just run.
set -eu

newest_bin() {
    for bin in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5,5Vr); do
        if [ -x "$bin/postgres" ]; then
            echo "$bin"
            return
        fi
    done
}

if [ -n "${HEDDLE_TEST_PG:-}" ]; then
    exec "$@"
fi
bin=$(newest_bin)
if [ -z "$bin" ]; then
    echo "with_pg: no PostgreSQL found (apt-get install postgresql): its tests will be skipped" >&2
    exec "$@"
fi

# The path of a Unix socket may have 107 bytes.
base=${TMPDIR:-/tmp}
[ ${#base} -le 60 ] || base=/tmp
dir=$(mktemp -d "$base/heddle-pg-XXXXXX")
as=
if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    as="runuser -u postgres --"
    chown postgres "$dir"
fi
chmod 755 "$dir"

cat >"$dir/ctl" <<END
#!/bin/sh
# stop, crash or start the server of this folder
cd /
case \$1 in
stop) exec $as $bin/pg_ctl -D $dir/data -m fast -w -t 60 stop >/dev/null ;;
crash) exec $as $bin/pg_ctl -D $dir/data -m immediate -w -t 60 stop >/dev/null ;;
start) exec $as $bin/pg_ctl -D $dir/data -l $dir/log -w -t 60 start >/dev/null ;;
esac
exit 2
END
chmod 755 "$dir/ctl"

finish() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ -f "$dir/data/postmaster.pid" ]; then
        "$dir/ctl" crash || cat "$dir/log" >&2
    fi
    rm -rf "$dir"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

exec 3<&0 </dev/null
cd /
$as "$bin/initdb" -D "$dir/data" -U heddle -A trust -E UTF8 --locale=C --no-sync >"$dir/initdb.log" 2>&1 || {
    cat "$dir/initdb.log" >&2
    exit 1
}
started=no
for _ in 1 2 3 4 5; do
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    $as tee "$dir/data/postgresql.auto.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$dir'
max_connections = 400
fsync = ${HEDDLE_TEST_PG_FSYNC:-on}
full_page_writes = ${HEDDLE_TEST_PG_FSYNC:-on}
shared_buffers = 64MB
log_min_messages = warning
END
    if "$dir/ctl" start 3<&-; then
        started=yes
        break
    fi
done
if [ $started = no ]; then
    cat "$dir/log" >&2
    exit 1
fi
$as "$bin/createdb" -h "$dir" -p "$port" -U heddle heddle
cd "$OLDPWD"

HEDDLE_TEST_PG="postgresql://heddle@/heddle?host=$dir&port=$port"
HEDDLE_TEST_PG_CTL=$dir/ctl
export HEDDLE_TEST_PG HEDDLE_TEST_PG_CTL
# In the background, so that a signal to this script ends the wait and the server; with the standard input and
# the signals of a command in the foreground.
env --default-signal=INT,QUIT "$@" <&3 3<&- &
child=$!
trap 'kill -TERM $child 2>/dev/null; wait $child 2>/dev/null; exit 143' INT TERM HUP
wait $child
