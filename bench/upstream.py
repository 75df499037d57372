"""Outbound calls: CPU for each request of both engines, and event streams proxied beside nginx."""
import os
import subprocess

from common import ROOT, Table

BUILD = os.path.join(ROOT, "build")


def calls_table():
    table = Table("Outbound calls", "64 kept connections to nginx on loopback, CPU time of the client process, medians.")
    out = subprocess.run([os.path.join(BUILD, "bench_client")], stdout=subprocess.PIPE, check=True, text=True).stdout
    for line in out.splitlines()[1:]:
        name, cpu, rate = line[:18].split(), *line[18:].split()
        bar = 7.0 if name[0] == "own" and name[1] == "GET" else None
        table.add(" ".join(name), "%s us, %s requests/s" % (cpu, rate), "5-7 us" if bar else "",
                  float(cpu) <= bar if bar else None)
    return table


def streams_table():
    out = subprocess.run([os.path.join(ROOT, "bench", "http", "sse_proxy.sh"), BUILD], stdout=subprocess.PIPE,
                         check=True, text=True).stdout.splitlines()
    table = Table("Proxied event streams", out[2].capitalize() + ". nginx with proxy_buffering off.")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in out if line.startswith(("| nginx", "| heddle"))]
    for name, cpu, events, memory, before, ratio in rows:
        ours = name == "heddle"
        table.add(name + ": CPU", "%s us/event at %s events/s, %s x nginx" % (cpu, events, ratio),
                  "<= 1.1 x nginx" if ours else "", float(ratio) <= 1.1 if ours else None)
        table.add(name + ": memory in all", "%s (%s before)" % (memory, before), "<= 25 MB" if ours else "",
                  float(memory.split()[0]) <= 25 if ours else None)
    return table
