"""The HTTP server: CPU for each request beside nginx, and the memory of idle streams and WebSockets."""
import os
import re
import subprocess

from common import ROOT, Table

BUILD = os.path.join(ROOT, "build")


def rows_of(out):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in out.splitlines() if line.startswith("| ")]


def requests_table():
    out = subprocess.run([os.path.join(ROOT, "bench", "http", "run.sh"), BUILD], stdout=subprocess.PIPE, check=True,
                         text=True, env={**os.environ, "IDLE": "0"}).stdout
    table = Table("HTTP requests",
                  "One core for the server, 64 kept connections, CPU time of the server process for each request, medians. "
                  "Heddle checks a key, routes, counts and parses the JSON; nginx answers `return 200`.")
    for row in rows_of(out):
        if len(row) < 5 or row[1] not in ("nginx", "heddle"):
            continue
        kind, who, cpu, rate, ratio = row[:5]
        ours = who == "heddle"
        table.add("%s, %s" % (kind, who), "%s us, %s requests/s, %s x nginx" % (cpu, rate, ratio),
                  "<= 1.1 x nginx" if ours else "", float(ratio) <= 1.1 if ours else None)
    return table


def idle_table(connections=10000):
    out = subprocess.run(["python3", os.path.join(ROOT, "bench", "http", "idle.py"), os.path.join(BUILD, "bench_http"),
                          str(connections)], stdout=subprocess.PIPE, check=True, text=True).stdout
    table = Table("Idle connections", "%d at once; resident memory of the server over what it had before." % connections)
    for row in rows_of(out):
        if len(row) == 5 and re.fullmatch(r"[\d.]+", row[2]):
            table.add(row[0], "%s KiB each (%s before parked stacks are trimmed), %s MiB in all" % (row[2], row[3], row[4]),
                      "<= 10 KB each", float(row[2]) * 1.024 <= 10)
    return table
