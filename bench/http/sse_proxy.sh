#!/bin/bash
# What proxying model streams costs: CPU per event and memory of N concurrent SSE streams through Heddle's
# client and server, against nginx with proxy_buffering off, in turn. Usage: bench/http/sse_proxy.sh [BUILD_DIR]
#
# The proxy has core 0; upstream and clients share core 1. CPU time is the proxy's own, from schedstat.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build}
bin=$build/bench_sse_proxy
streams=${STREAMS:-2000}
period=${PERIOD_MS:-200}
rounds=${ROUNDS:-3}
seconds=${SECONDS_EACH:-5}
[ -x "$bin" ] || { echo "build it first: ninja -C $build bench_sse_proxy"; exit 1; }
command -v nginx >/dev/null || { echo "nginx is missing: see tools/packages.txt"; exit 1; }

dir=$(mktemp -d)
pids=
cleanup() { [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true; rm -rf "$dir"; }
trap cleanup EXIT
ulimit -n 65536 2>/dev/null || true
free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
await() { for _ in $(seq 100); do grep -q "$2" "$1" 2>/dev/null && return; sleep 0.05; done; echo "$1: no $2"; exit 1; }
cpu_ns() { cat /proc/"$1"/task/*/schedstat | awk '{s += $1} END {printf "%d", s}'; }
rss_kib() { awk '/VmRSS/ {print $2}' /proc/"$1"/status; }

uport=$(free_port)
taskset -c 1 "$bin" upstream "$uport" "$period" >"$dir/upstream" & pids="$!"
await "$dir/upstream" ready

start_heddle() {
    port=$(free_port)
    taskset -c 0 "$bin" proxy "$port" "$uport" >"$dir/proxy" & proxy=$!
    pids="$pids $proxy"
    await "$dir/proxy" ready
}
start_nginx() {
    port=$(free_port)
    cat >"$dir/nginx.conf" <<CONF
daemon off; master_process off; pid $dir/nginx.pid; error_log /dev/null;
worker_rlimit_nofile 65536;
events { worker_connections 32768; }
http {
    access_log off; client_body_temp_path $dir; proxy_temp_path $dir;
    fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
    server {
        listen 127.0.0.1:$port backlog=4096;
        location / {
            proxy_pass http://127.0.0.1:$uport; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_buffering off; proxy_read_timeout 300s;
        }
    }
}
CONF
    taskset -c 0 nginx -c "$dir/nginx.conf" & proxy=$!
    pids="$pids $proxy"
    sleep 0.4
}
# which -> "which us_per_event events_per_s rss_kib idle_kib failed"
one() {
    "start_$1"
    local idle before after line
    idle=$(rss_kib "$proxy")
    taskset -c 1 "$bin" clients "$port" "$streams" "$seconds" >"$dir/clients" & local clients=$!
    pids="$pids $clients"
    for _ in $(seq 400); do grep -q start "$dir/clients" && break; sleep 0.05; done
    before=$(cpu_ns "$proxy")
    while ! grep -q end "$dir/clients"; do sleep 0.02; done
    after=$(cpu_ns "$proxy")
    line=$(grep end "$dir/clients")
    echo "$1 $before $after $line $(rss_kib "$proxy") $idle"
    kill -9 "$clients" "$proxy"
    wait "$clients" "$proxy" 2>/dev/null || true
}

echo "machine: $(nproc) cores, $(awk -F: '/model name/ {print $2; exit}' /proc/cpuinfo | sed 's/^ //'), Linux $(uname -r), load $(cut -d' ' -f1 /proc/loadavg)"
echo "versions: $(nginx -v 2>&1), $(cc --version | head -1)"
echo "$streams streams, an event of 220 bytes every $period ms on each, $rounds rounds of $seconds s"
for _ in $(seq "$rounds"); do
    one nginx
    one heddle
done >"$dir/results"
SECONDS_EACH=$seconds python3 - "$dir/results" <<'PY'
import os, statistics as st, sys
rows = {}
for line in open(sys.argv[1]):
    who, before, after, _, events, failed, rss, idle = line.split()
    if int(failed):
        print("%s: %s streams failed" % (who, failed))
    rows.setdefault(who, []).append(((int(after) - int(before)) / 1000 / int(events), int(events), int(rss), int(idle)))
print("| proxy | CPU us/event | events/s | memory | before the streams | CPU vs nginx |")
print("|---|---|---|---|---|---|")
base = st.median(r[0] for r in rows["nginx"])
for who in ("nginx", "heddle"):
    us, events, rss, idle = (st.median(r[i] for r in rows[who]) for i in range(4))
    print("| %s | %.2f | %d | %.1f MB | %.1f MB | %.2f |"
          % (who, us, events / int(os.environ["SECONDS_EACH"]), rss * 1.024e-3, idle * 1.024e-3, us / base))
PY
kill -9 $pids 2>/dev/null || true
pids=
