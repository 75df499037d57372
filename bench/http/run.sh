#!/bin/bash
# CPU per request of Heddle's HTTP server against nginx `return 200`, measured in one interleaved run; and
# the memory of idle event streams and WebSockets. Usage: bench/http/run.sh [BUILD_DIR]
#
# The servers are pinned to core 0, wrk to core 1. What counts is CPU time of the server process for each
# request, from /proc; requests per second depend on what else the machine does. Medians of ROUNDS.
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build-release}
rounds=${ROUNDS:-5}
seconds=${SECONDS_EACH:-4}
conns=${CONNS:-64}
for tool in wrk nginx python3 taskset curl; do
    command -v $tool >/dev/null || { echo "$tool is missing: see tools/packages.txt"; exit 1; }
done
[ -x "$build/bench_http" ] || { echo "build it first: ninja -C $build bench_http"; exit 1; }

dir=$(mktemp -d)
pids=
cleanup() { [ -z "$pids" ] || kill $pids 2>/dev/null || true; rm -rf "$dir"; }
trap cleanup EXIT

free_port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
hport=$(free_port)
nport=$(free_port)

cat >"$dir/nginx.conf" <<CONF
daemon off; master_process off; pid $dir/nginx.pid; error_log /dev/null;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 1000000000; server_tokens off; client_body_temp_path $dir;
    proxy_temp_path $dir; fastcgi_temp_path $dir; uwsgi_temp_path $dir; scgi_temp_path $dir;
    default_type text/plain;
    server { listen 127.0.0.1:$nport reuseport; location / { return 200 "Hello, world!"; } }
}
CONF
taskset -c 0 nginx -c "$dir/nginx.conf" & npid=$!
taskset -c 0 "$build/bench_http" "$hport" 1 >"$dir/ready" & hpid=$!
pids="$npid $hpid"
for _ in $(seq 100); do
    grep -q ready "$dir/ready" && curl -so /dev/null "http://127.0.0.1:$nport/" && break
    sleep 0.05
done

python3 - "$dir" <<'PY'
import sys, json
lead = {"id": "lead-4711", "mode": "async", "input": {
    "email": "someone@example.com", "name": "Some One", "company": "Example Ltd", "phone": "+49 30 1234567",
    "source": "landing-page", "score": 42.5, "employees": 250, "consent": True, "owner": None,
    "tags": ["trial", "emea", "inbound"], "utm": {"source": "news", "medium": "mail", "campaign": "autumn"},
    "items": [{"sku": "A-100", "n": 2, "price": 19.9}, {"sku": "B-7", "n": 1, "price": 250}], "message": ""}}
lead["input"]["message"] = ("We would like to see how this fits our team. " * 40)[:1024 - len(json.dumps(lead))]
body = json.dumps(lead)
assert len(body) == 1024
open(sys.argv[1] + "/get.lua", "w").write(
    'wrk.headers["Authorization"] = "Bearer abcdefghijklmnopqrstuvwxyz"\n')
open(sys.argv[1] + "/post.lua", "w").write(
    'wrk.method = "POST"\nwrk.headers["Authorization"] = "Bearer abcdefghijklmnopqrstuvwxyz"\n'
    'wrk.headers["Content-Type"] = "application/json"\nwrk.body = [==[%s]==]\n' % body)
PY

# name pid url script -> "rps us"
one() {
    local before after out
    before=$(cat /proc/$1/task/*/schedstat | awk '{s+=$1} END {print s}')
    out=$(taskset -c 1 wrk -t1 -c"$conns" -d"${seconds}s" -s "$3" "$2")
    after=$(cat /proc/$1/task/*/schedstat | awk '{s+=$1} END {print s}')
    local n bad
    n=$(echo "$out" | awk '/requests in/ {print $1}')
    bad=$(echo "$out" | grep -c "Non-2xx\|Socket errors" || true)
    [ "$bad" = 0 ] || { echo "$out" >&2; exit 1; }
    awk -v a="$before" -v b="$after" -v n="$n" -v s="$seconds" 'BEGIN {printf "%d %.3f\n", n / s, (b - a) / n / 1000}'
}

echo "machine: $(nproc) cores, $(awk -F: '/model name/ {print $2; exit}' /proc/cpuinfo | sed 's/^ //'), Linux $(uname -r)"
echo "versions: $(nginx -v 2>&1), $(wrk -v 2>&1 | head -1 | cut -d' ' -f1-2), $(cc --version | head -1)"
echo "$rounds rounds of $seconds s, $conns connections, one core for the server, load $(cut -d' ' -f1 /proc/loadavg)"
for _ in $(seq "$rounds"); do
    for kind in get post; do
        path=small; [ $kind = post ] && path=json
        echo "nginx $kind $(one $npid "http://127.0.0.1:$nport/$path" "$dir/$kind.lua")"
        echo "heddle $kind $(one $hpid "http://127.0.0.1:$hport/$path" "$dir/$kind.lua")"
    done
done >"$dir/results"
python3 - "$dir/results" <<'PY'
import sys, statistics as st
rows = {}
for line in open(sys.argv[1]):
    who, kind, rps, us = line.split()
    rows.setdefault((kind, who), []).append((float(rps), float(us)))
print("| request | server | CPU us/request | requests/s | CPU vs nginx |")
print("|---|---|---|---|---|")
for kind, title in (("get", "small GET"), ("post", "1 KB JSON POST")):
    base = st.median(u for _, u in rows[(kind, "nginx")])
    for who in ("nginx", "heddle"):
        us = st.median(u for _, u in rows[(kind, who)])
        rps = st.median(r for r, _ in rows[(kind, who)])
        print("| %s | %s | %.2f | %d | %.2f |" % (title, who, us, rps, us / base))
PY
kill $hpid; wait $hpid 2>/dev/null || true
kill $npid; wait $npid 2>/dev/null || true
pids=
[ "${IDLE:-1}" = 0 ] || python3 bench/http/idle.py "$build/bench_http" "${IDLE_CONNS:-10000}"
