#!/usr/bin/env python3
"""Memory of idle connections: idle.py BENCH_HTTP COUNT starts the server, opens COUNT event streams, waits
until they are quiet, and prints the growth of the server's resident memory for each; then the same with
WebSockets. Clients have the header fields of a browser."""
import base64
import os
import resource, select, socket, subprocess, sys, time

BROWSER = (
    "Host: 127.0.0.1\r\nConnection: %s\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\nCookie: session=abcdefghijklmnopqrstuvwxyz0123456789\r\n"
    "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n")


def rss(pid):
    for line in open("/proc/%d/status" % pid):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024


def connect(port, request, expect):
    s = socket.socket()
    s.connect(("127.0.0.1", port))
    s.sendall(request.encode())
    got = b""
    while b"\r\n\r\n" not in got:
        piece = s.recv(4096)
        if not piece:
            raise SystemExit("the server closed: %r" % got)
        got += piece
    if not got.startswith(expect):
        raise SystemExit("unexpected answer: %r" % got)
    return s


def measure(binary, count, title, request, expect):
    server = subprocess.Popen([binary, "0", "1"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline().split()[1])
        warm = [connect(port, request, expect) for _ in range(50)]
        for s in warm:
            s.close()
        time.sleep(0.5)
        before = rss(server.pid)
        socks = [connect(port, request, expect) for _ in range(count)]
        at_once = rss(server.pid)
        time.sleep(7)  # parked stacks give back what they do not use
        after = rss(server.pid)
        readable = select.epoll()
        for s in socks[:100]:
            readable.register(s.fileno(), select.EPOLLIN)
        if readable.poll(0):
            raise SystemExit("idle connections were not left alone")
        print("| %s | %d | %.2f | %.2f | %.1f |" % (
            title, count, (after - before) / count / 1024, (at_once - before) / count / 1024, after / 2**20))
        for s in socks:
            s.close()
    finally:
        server.terminate()
        server.wait()


def main():
    binary, count = sys.argv[1], int(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard - 200)
    print("| idle connections | count | KiB each | KiB each before stacks are trimmed | server's RSS, MiB |")
    print("|---|---|---|---|---|")
    measure(binary, count, "event streams", "GET /events HTTP/1.1\r\n" + BROWSER % "keep-alive" + "\r\n",
            b"HTTP/1.1 200")
    key = base64.b64encode(os.urandom(16)).decode()
    measure(binary, count, "WebSockets",
            "GET /ws HTTP/1.1\r\n" + BROWSER % "Upgrade" + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            "\r\n" % key, b"HTTP/1.1 101")
    measure(binary, count, "keep-alive", "GET /metrics HTTP/1.1\r\n" + BROWSER % "keep-alive" + "\r\n",
            b"HTTP/1.1 200")


main()
