"""The same webhook on other engines, in the same run: Restate, DBOS with PostgreSQL, n8n.

What installs and drives them is not part of this project: a folder of scripts, `setup.sh DIR` and `run.sh DIR` for
each, named by BENCH_PEERS or found beside the checkout as shared/bench/engines. Without it, or where one does
not install, the row says so. PEERS_DIR keeps what was installed for the next time.
"""
import os
import re
import shutil
import subprocess
import tempfile

from common import ROOT, Server, Sqlite, Table, median
from webhook import CALLERS, chain, load, publish, script

# What to install of each, and the environment of its measurement.
PEERS = {"restate": {"CONNS": "64"}, "dbos": {"CONNS": "64"}, "n8n": {"CONNS": "16", "MODES": "legacy:all"}}
PATIENCE = 1500  # seconds, for each step of each


def scripts():
    places = [os.environ.get("BENCH_PEERS", ""), os.path.join(os.path.dirname(ROOT), "shared", "bench", "engines")]
    return next((p for p in places if p and os.path.isdir(p)), None)


def shell(what, environment, *command):
    """The output of a command that is ended with all that it has started, when it takes too long too."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        process = subprocess.Popen(["timeout", "-k", "20", str(PATIENCE), *command], stdout=out, stderr=subprocess.STDOUT,
                                   env=environment)
        status = process.wait()
        out.seek(0)
        text = out.read()
    if status:
        raise RuntimeError("%s: %s" % (what, text.strip().splitlines()[-1:] or status))
    return text


def measure_peer(folder, place, name, settings):
    node = shell(name, None, os.path.join(folder, "_lib", "node.sh"), place, "24").strip()
    environment = {**os.environ, "PATH": node + ":" + os.environ["PATH"], "LOAD_SECS": "4", "RUNS": "3",
                   "LOAD_CONNS": "16", **settings}
    work = os.path.join(place, name)
    if not os.path.isdir(os.path.join(work, "node_modules")):
        shell(name, environment, os.path.join(folder, name, "setup.sh"), work)
    out = shell(name, environment, os.path.join(folder, name, "run.sh"), work)
    if os.path.exists(os.path.join(folder, name, "crash.sh")):
        out += shell(name, environment, os.path.join(folder, name, "crash.sh"), work)
    rows = re.findall(r"^(?:three_steps|set3)\S* conns=(\d+) rps=([\d.]+) p50=(\S+) p99=(\S+) .*cpu_ms/req=([\d.]+)", out, re.M)
    if not rows:
        raise RuntimeError("%s: nothing was measured" % name)
    restart = re.findall(r"^(?:restart_after_kill9_to_first_answer_ms|first_answer_ms)=(\d+)", out, re.M)
    return rows, restart[-1:]


def ours():
    with Server() as server:
        server.make_key()
        workflow, lua = publish(server, chain(3)), script()
        results = [load(server, Sqlite(), workflow, CALLERS, 4, lua) for _ in range(3)]
        os.unlink(lua)
        return median([r["cpu_ms"] for r in results]), median([r["rps"] for r in results])


def peers_table():
    table = Table("Other engines, the same webhook (W1, W5)",
                  "Three durable steps behind HTTP on the same machine in the same run, CPU time of all their processes and their "
                  "database, medians of three. Each keeps its executions; n8n with expressions in its own process, which is "
                  "its fastest, and 16 callers, as more make it unstable.")
    cpu, rate = ours()
    table.add("Heddle, SQLite FULL, %d callers" % CALLERS, "%.3f ms CPU, %.0f/s" % (cpu, rate))
    folder = scripts()
    place = os.environ.get("PEERS_DIR") or tempfile.mkdtemp(prefix="heddle-peers-")
    try:
        for name, settings in PEERS.items():
            if not folder:
                table.add(name, "not measured: its scripts are not here")
                continue
            try:
                rows, restart = measure_peer(folder, place, name, settings)
            except RuntimeError as e:
                table.add(name, "not measured: %s" % str(e).replace("|", " ")[:150])
                continue
            theirs = median([float(r[4]) for r in rows])
            table.add("%s, %s callers" % (name, rows[0][0]), "%.2f ms CPU, %.0f/s, p50 %s%s" % (
                theirs, median([float(r[1]) for r in rows]), rows[0][2],
                "; %s ms from a kill to the first answer" % restart[0] if restart else ""),
                "more than ours", theirs > cpu)
            table.add("%s: CPU beside ours" % name, "%.0f x" % (theirs / cpu))
    finally:
        if not os.environ.get("PEERS_DIR"):
            shutil.rmtree(place, ignore_errors=True)
    return table


if __name__ == "__main__":
    peers_table()
