#!/bin/sh
# Run a command beside throw-away Redis servers of its own: one plain, and one with TLS and a password.
#
#     with_redis.sh COMMAND...
#
# The command finds the addresses in HEDDLE_TEST_REDIS and HEDDLE_TEST_REDISS (whose certificate's authority is the
# file HEDDLE_TEST_REDISS_CA), and in HEDDLE_TEST_REDIS_CTL a program that takes kill, start or pause SECONDS, of the
# plain one. They keep nothing on the disk, listen on free loopback ports, and end with the command. With
# HEDDLE_TEST_REDIS set already, or without Redis on this machine, the command is just run.
set -eu

if [ -n "${HEDDLE_TEST_REDIS:-}" ]; then
    exec "$@"
fi
if ! command -v redis-server >/dev/null; then
    echo "with_redis: no Redis found (apt-get install redis-server): its tests will be skipped" >&2
    exec "$@"
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/heddle-redis-XXXXXX")

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

stop() {
    if [ -f "$dir/$1.pid" ]; then
        kill -9 "$(cat "$dir/$1.pid")" 2>/dev/null || true
    fi
}

finish() {
    status=$?
    trap - EXIT INT TERM HUP
    stop plain
    stop tls
    rm -rf "$dir"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cat >"$dir/ctl" <<END
#!/bin/sh
# kill, start or pause the plain server of this folder
cd $dir
case \$1 in
kill)
    pid=\$(cat plain.pid)
    kill -9 "\$pid"
    while kill -0 "\$pid" 2>/dev/null; do :; done
    rm -f plain.pid
    ;;
start)
    redis-server --port \$(cat plain.port) --bind 127.0.0.1 --save '' --appendonly no --daemonize yes \\
        --dir $dir --pidfile $dir/plain.pid --logfile $dir/plain.log >/dev/null
    until redis-cli -p \$(cat plain.port) ping >/dev/null 2>&1; do :; done
    ;;
pause) redis-cli -p \$(cat plain.port) client pause "\$((\$2 * 1000))" all >/dev/null ;;
flush) redis-cli -p \$(cat plain.port) flushall >/dev/null ;;
*) exit 2 ;;
esac
END
chmod 755 "$dir/ctl"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1,DNS:localhost -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null

started=no
for _ in 1 2 3 4 5; do # the port may be taken meanwhile
    free_port >"$dir/plain.port"
    if timeout 20 "$dir/ctl" start && [ -f "$dir/plain.pid" ]; then
        started=yes
        break
    fi
done
[ $started = yes ] || { cat "$dir/plain.log" >&2; exit 1; }
tls_port=$(free_port)
redis-server --port 0 --tls-port "$tls_port" --bind 127.0.0.1 --save '' --daemonize yes --dir "$dir" \
    --tls-cert-file "$dir/cert.pem" --tls-key-file "$dir/key.pem" --tls-ca-cert-file "$dir/cert.pem" \
    --tls-auth-clients no --requirepass 'open sesame' --pidfile "$dir/tls.pid" --logfile "$dir/tls.log" >/dev/null

HEDDLE_TEST_REDIS="redis://127.0.0.1:$(cat "$dir/plain.port")"
HEDDLE_TEST_REDISS="rediss://:open%20sesame@127.0.0.1:$tls_port/3"
HEDDLE_TEST_REDISS_CA=$dir/cert.pem
HEDDLE_TEST_REDIS_CTL=$dir/ctl
export HEDDLE_TEST_REDIS HEDDLE_TEST_REDISS HEDDLE_TEST_REDISS_CA HEDDLE_TEST_REDIS_CTL
# As in with_pg.sh: a signal to this script ends the wait and the servers.
env --default-signal=INT,QUIT "$@" <&0 &
child=$!
trap 'kill -TERM $child 2>/dev/null; wait $child 2>/dev/null; exit 143' INT TERM HUP
wait $child
