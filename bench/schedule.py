"""Schedules: what one costs in memory while it is due soon, and how late they fire, spread out and all at once."""
import json
import os
import subprocess
import tempfile

from common import ROOT, Table


def schedules_table():
    table = Table("Schedules (SQLite, synchronous=FULL)",
                  "Each starts a durable run of a trigger and an output. Lag is from the time it was due to the creation of its "
                  "run; a herd is drained when all of its runs are durable.")
    with tempfile.TemporaryDirectory(prefix="heddle-schedules-") as folder:
        out = subprocess.run([os.path.join(ROOT, "build", "bench_schedule"), folder], stdout=subprocess.PIPE, check=True,
                             text=True).stdout
    r = json.loads(out)
    table.add("%d due within ten seconds, lag" % r["spread"],
              "p50 %.1f ms, p99 %.1f ms, at most %.1f ms" % (r["lag_p50_ms"], r["lag_p99_ms"], r["lag_max_ms"]),
              "p99 < 50 ms", r["lag_p99_ms"] < 50)
    table.add("%d due at one moment" % r["herd"],
              "%.1f s, half of them in %.1f s" % (r["herd_ms"] / 1000, r["herd_p50_ms"] / 1000),
              "10,000 in < 3 s", r["herd_ms"] / r["herd"] * 10000 < 3000)
    table.add("memory of each while it waits", "%.0f bytes" % r["bytes_each"], "<= 200", r["bytes_each"] <= 200)
    return table


if __name__ == "__main__":
    schedules_table()
