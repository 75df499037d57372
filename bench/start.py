"""Start to ready, idle memory, size of the binary, and the cost of a run beside a million old ones."""
import os
import subprocess
import tempfile
import shutil
import sqlite3
import uuid

from common import HEDDLE, Server, Table, cpu_seconds, median, rss_mb, wrk
from engine import WORKFLOW, script


def start_table(rounds=7):
    table = Table("Start, memory, size")
    data = tempfile.mkdtemp(prefix="heddle-bench-")
    try:
        ready = []
        for _ in range(rounds):
            with Server(data=data) as server:
                ready.append(server.ready_ms)
                idle = rss_mb(server.pid)
        table.add("second start to ready (median of %d)" % (rounds - 1), "%.0f ms" % median(ready[1:]), "<= 100 ms",
                  median(ready[1:]) <= 100)
        table.add("resident memory at rest", "%.1f MB" % idle, "<= 20 MB", idle <= 20)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    size = os.path.getsize(HEDDLE) / 1e6
    console = console_bytes() / 1e6
    table.add("binary, stripped, without the console's files", "%.2f MB (of %.2f)" % (size - console, size), "<= 8 MB",
              size - console <= 8)
    return table


def console_bytes():
    out = subprocess.run(["nm", "-S", "--defined-only", HEDDLE + ".debug"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    total = 0
    for line in out.splitlines():
        fields = line.split()
        if len(fields) == 4 and fields[3].startswith(("f0_", "f1_")) or len(fields) == 4 and \
                fields[3][:1] == "f" and fields[3].split("_")[0][1:].isdigit():
            total += int(fields[1], 16)
    return total


def seed(path, n):
    """A million finished runs as the server writes them, put in by hand."""
    db = sqlite3.connect(path)
    template = db.execute("SELECT * FROM run LIMIT 1").fetchone()
    events = db.execute("SELECT events FROM journal LIMIT 1").fetchone()[0]
    names = [c[1] for c in db.execute("PRAGMA table_info(run)")]
    at = names.index("id")
    base = int.from_bytes(template[at][:6], "big") - 90 * 86400 * 1000
    db.execute("PRAGMA synchronous=OFF")
    for first in range(0, n, 20000):
        runs, journals = [], []
        for i in range(first, min(first + 20000, n)):
            key = (base + i).to_bytes(6, "big") + b"\x70\x00" + uuid.uuid4().bytes[:8]
            row = list(template)
            row[at] = key
            runs.append(row)
            journals.append((key, 1, events))
        db.executemany("INSERT INTO run VALUES (%s)" % ",".join("?" * len(names)), runs)
        db.executemany("INSERT INTO journal VALUES (?,?,?)", journals)
        db.commit()
    db.close()


def cost(data, seconds, rounds=3):
    values = []
    with Server(data=data) as server:
        server.make_key()
        server.workflow = server.call("POST", "/api/workflows", WORKFLOW)["id"]
        server.call("POST", "/api/workflows/%s/execute" % server.workflow, {"input": {"n": 12, "name": "Ada"}})
        lua = script(server.key)
        for _ in range(rounds):
            before = cpu_seconds(server.pid)
            result = wrk("%s/api/workflows/%s/execute" % (server.url, server.workflow), 64, seconds, lua)
            values.append((cpu_seconds(server.pid) - before) * 1e6 / result["requests"])
        os.unlink(lua)
        ready = server.ready_ms
    return median(values), ready


def history_table(seconds=3, old=1000000):
    table = Table("The cost of a run beside %d old ones" % old)
    folders = [tempfile.mkdtemp(prefix="heddle-bench-") for _ in range(2)]
    try:
        for folder in folders:
            cost(folder, 1, 1)
        seed(os.path.join(folders[1], "heddle.db"), old)
        fresh, _ = cost(folders[0], seconds)
        aged, ready = cost(folders[1], seconds)
        table.add("CPU per run, none / %d old runs" % old, "%.0f / %.0f us = %.2fx" % (fresh, aged, aged / fresh),
                  "<= 1.2x", aged / fresh <= 1.2)
        table.add("start to ready with them", "%.0f ms" % ready, "<= 100 ms", ready <= 100)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    return table


if __name__ == "__main__":
    start_table()
    history_table()
