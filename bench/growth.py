"""What runs, lists and the file cost as stored runs grow from a thousand to a million, and while as many are deleted as come."""
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
import uuid

from common import Server, Table, cpu_seconds, median, wrk
from engine import WORKFLOW, script

SIZES = (1000, 10000, 100000, 1000000)
KEEP = {"HEDDLE_RETENTION_DAYS": "0"}


def seed(path, n):
    """Finished runs as the server writes them, put in by hand: of one workflow, one in a hundred failed."""
    db = sqlite3.connect(path)
    names = [c[1] for c in db.execute("PRAGMA table_info(run)")]
    template = list(db.execute("SELECT * FROM run ORDER BY id DESC LIMIT 1").fetchone())
    events = db.execute("SELECT events FROM journal WHERE run_id = ?", (template[names.index("id")],)).fetchone()[0]
    at, state = names.index("id"), names.index("state")
    have = db.execute("SELECT COUNT(*) FROM run").fetchone()[0]
    base = int.from_bytes(template[at][:6], "big") - 90 * 86400 * 1000
    db.execute("PRAGMA synchronous=OFF")
    for first in range(have, n, 20000):
        runs, journals = [], []
        for i in range(first, min(first + 20000, n)):
            row = list(template)
            row[at] = (base + i).to_bytes(6, "big") + b"\x70\x00" + uuid.uuid4().bytes[:8]
            row[state] = 4 if i % 100 == 0 else 3
            runs.append(row)
            journals.append((row[at], 1, events))
        db.executemany("INSERT INTO run VALUES (%s)" % ",".join("?" * len(names)), runs)
        db.executemany("INSERT INTO journal (run_id, seq, events) VALUES (?,?,?)", journals)
        db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


def load(server, lua, seconds, callers=64):
    before = cpu_seconds(server.pid)
    result = wrk("%s/api/workflows/%s/execute" % (server.url, server.workflow), callers, seconds, lua)
    if result["bad"]:
        raise RuntimeError("%d answers were not 2xx" % result["bad"])
    result["cpu_us"] = (cpu_seconds(server.pid) - before) * 1e6 / max(result["requests"], 1)
    return result


def took(server, path, n=200):
    """p50 and p99 in ms of @n requests on one connection, one after the other."""
    times = []
    request = urllib.request.Request(server.url + path, headers={"authorization": "Bearer " + server.key})
    for _ in range(n):
        began = time.perf_counter()
        with urllib.request.urlopen(request) as answer:
            answer.read()
        times.append((time.perf_counter() - began) * 1000)
    times.sort()
    return times[n // 2], times[int(n * 0.99)]


def far_page(server, pages=1000, limit=50):
    """The cursor of page 1,000, or of the last one."""
    cursor = ""
    for _ in range(pages):
        found = server.call("GET", "/api/runs?limit=%d%s" % (limit, cursor)).get("next_cursor")
        if not found:
            break
        cursor = "&cursor=" + found
    return cursor


def sizes_rows(table, folders, seconds, rounds):
    rates, cpus, lists = {}, {}, {}
    for n in SIZES:
        rates[n], cpus[n] = [], []
    for turn in range(rounds):
        for n in SIZES:  # in turn, so that all see the same machine
            with Server(data=folders[n]["data"], env=KEEP) as server:
                server.key, server.workflow = folders[n]["key"], folders[n]["workflow"]
                load(server, folders[n]["lua"], 1)
                result = load(server, folders[n]["lua"], seconds)
                rates[n].append(result["rps"])
                cpus[n].append(result["cpu_us"])
                if turn == rounds - 1:
                    lists[n] = list_times(server)
    for n in SIZES:
        table.add("beside %d: runs of three pure steps, 64 callers" % n, "%.0f/s, %.0f us CPU" % (
            median(rates[n]), median(cpus[n])))
    share = median([big / small for big, small in zip(rates[SIZES[-1]], rates[SIZES[0]])])
    table.add("throughput beside %d, of that beside %d" % (SIZES[-1], SIZES[0]), "%.0f %%" % (share * 100), ">= 80 %",
              share >= 0.8)
    for n in (SIZES[0], SIZES[-1]):
        for what, (p50, p99) in lists[n].items():
            table.add("beside %d: %s" % (n, what), "p50 %.1f ms, p99 %.1f ms" % (p50, p99), "p99 < 20 ms", p99 < 20)


def list_times(server):
    by = "workflow_id=" + server.workflow
    paths = {"first page of 50 runs": "/api/runs?limit=50",
             "page 1,000": "/api/runs?limit=50" + far_page(server),
             "the failed ones": "/api/runs?limit=50&state=failed",
             "of one workflow": "/api/runs?limit=50&" + by,
             "the failed ones of one workflow": "/api/runs?limit=50&state=failed&" + by,
             "cancelled ones of one workflow, of which there are none": "/api/runs?limit=50&state=cancelled&" + by,
             "/metrics": "/metrics"}
    return {what: took(server, path) for what, path in paths.items()}


def bounded_rows(table, seconds, callers):
    """Runs at full speed that are deleted a minute after their end: the file's size, once the first were deleted."""
    with Server() as server:
        server.make_key()
        definition = {**WORKFLOW, "name": "short lived", "settings": {"retention": {"age": "1m"}}}
        server.workflow = server.call("POST", "/api/workflows", definition)["id"]
        server.call("POST", "/api/workflows/%s/publish" % server.workflow, {})
        lua = script(server.key)
        began, done, sizes = time.monotonic(), 0, []
        before = cpu_seconds(server.pid)
        while time.monotonic() - began < seconds:
            result = load(server, lua, 5, callers)
            done += result["requests"]
            size = sum(os.path.getsize(os.path.join(server.data, f)) for f in os.listdir(server.data)
                       if f.startswith("heddle.db"))
            sizes.append((time.monotonic() - began, size, result["p99"], result["rps"]))
        cpu = (cpu_seconds(server.pid) - before) * 1e6 / done
        left = subprocess.run(["python3", "-c", "import sqlite3,sys;print(sqlite3.connect(sys.argv[1])."
                               "execute('SELECT COUNT(*) FROM run').fetchone()[0])",
                               os.path.join(server.data, "heddle.db")], stdout=subprocess.PIPE, text=True).stdout.strip()
        os.unlink(lua)
    middle = max(s for t, s, _, _ in sizes if t <= seconds / 2)
    end = max(s for t, s, _, _ in sizes if t > seconds / 2)
    table.add("%d runs in %d s, each deleted a minute after its end" % (done, seconds),
              "%.0f/s, %.0f us CPU with their deletion; %s are left" % (done / seconds, cpu, left))
    table.add("the file in the first and in the second half", "%.0f and %.0f MB = %.2fx" % (
        middle / 1e6, end / 1e6, end / middle), "<= 1.2x", end <= middle * 1.2)
    rates = [r for _, _, _, r in sizes]
    table.add("slowest and median 5 s of these", "%.0f and %.0f runs/s" % (min(rates), median(rates)))


def growth_table(seconds=4, rounds=3, bounded_seconds=360):
    table = Table("The cost of growth (SQLite, synchronous=FULL)",
                  "Servers with so many stored runs in turn, one in a hundred of them failed. wrk takes its part of the same two cores. "
                  "Lists are asked for over one new connection each, 200 times one after the other.")
    folders = {}
    try:
        for n in SIZES:
            data = tempfile.mkdtemp(prefix="heddle-bench-")
            with Server(data=data, env=KEEP) as server:
                key = server.make_key()
                server.workflow = server.call("POST", "/api/workflows", WORKFLOW)["id"]
                server.call("POST", "/api/workflows/%s/execute" % server.workflow, {"input": {"n": 12, "name": "Ada"}})
                folders[n] = {"data": data, "key": key, "workflow": server.workflow, "lua": script(key)}
            seed(os.path.join(data, "heddle.db"), n)
        sizes_rows(table, folders, seconds, rounds)
    finally:
        for folder in folders.values():
            os.unlink(folder["lua"])
            shutil.rmtree(folder["data"], ignore_errors=True)
    bounded_rows(table, bounded_seconds, 16)
    return table


if __name__ == "__main__":
    growth_table()
