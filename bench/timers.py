"""A hundred thousand runs that wait for their time, sixty thousand schedules, a herd, a restart (W3)."""
import datetime
import os
import random
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from common import DATABASES, Server, Table, flags_of, id_column, number, query, rss_mb
from webhook import Caller, flow, publish

TIMERS, SCHEDULES, HERD, SPREAD = int(os.environ.get("TIMERS", "100000")), 60000, 10000, 2000


def waiting(delay):
    return flow([{"id": "t", "type": "trigger", "data": {"trigger": "webhook", "webhook": {"method": "POST"}}},
                 {"id": "d", "type": "delay", "data": delay},
                 {"id": "o", "type": "output", "data": {"output": {"late": "{{ d.until }}"}}}])


SCHEDULED = flow([{"id": "t", "type": "trigger", "data": {
    "trigger": "schedule", "schedule": {"repeat": "interval", "every": "366d"}}},
                  {"id": "o", "type": "output", "data": {"output": "{{ input }}"}}])


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def start_many(server, workflow, n, body, callers=64):
    """At least @n runs, started by wrk with @body, an expression of Lua; how many a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as f:
        f.write("""
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local n = 0
request = function() return wrk.format(nil, nil, nil, %s) end
response = function(status, headers, body)
  n = n + 1
  if status ~= 202 then io.write(status, body) end
  if status ~= 202 or n == %d then os.exit(status == 202) end
end
""" % (body, n))
    began = time.monotonic()
    out = subprocess.run(["wrk", "-t1", "-c%d" % callers, "-d600s", "-s", f.name,
                          "%s/hooks/%s" % (server.url, workflow)], stdout=subprocess.PIPE, text=True)
    os.unlink(f.name)
    if out.returncode:
        raise RuntimeError(out.stdout)
    return n / (time.monotonic() - began)


def wait_until(what, least, look, patience=120, every=0.2):
    deadline = time.monotonic() + patience
    while look() < least:
        if time.monotonic() > deadline:
            raise RuntimeError("%s: %r of %r after %d s" % (what, look(), least, patience))
        time.sleep(every)


def parked(server, database):
    return number(server, database, "SELECT COUNT(*) FROM run WHERE wake_at IS NOT NULL")


def percentile(values, part):
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def start_spread(server, workflow):
    """Runs that are due at some moment of ten seconds: when each is, by its id."""
    first = time.time() + 9

    def some(_):
        caller, due = Caller(server, workflow), {}
        for _ in range(SPREAD // 4):
            at = first + random.random() * 10
            due[caller({"at": rfc3339(at)})[0]["run_id"].replace("-", "")] = at
        caller.close()
        return due
    with ThreadPoolExecutor(4) as pool:
        return {run: at for due in pool.map(some, range(4)) for run, at in due.items()}


def lags(server, database, workflow):
    """When the runs of a workflow ended, by their ids."""
    rows = query(server, database, "SELECT %s, finished_at FROM run WHERE finished_at IS NOT NULL AND %s = '%s'" % (
        id_column(database), id_column(database, "workflow_id"), workflow.replace("-", "")))
    return {run: int(at) / 1e6 for run, at in rows}


def finished(server, database, workflow):
    return number(server, database, "SELECT COUNT(*) FROM run WHERE finished_at IS NOT NULL AND %s = '%s'" % (
        id_column(database, "workflow_id"), workflow.replace("-", "")))


def seed_schedules(server, database, at):
    """Of one published schedule @SCHEDULES, all due at the same moment."""
    rows = "generate_series(1, %d)" % SCHEDULES
    new = "gen_random_uuid()"
    if not database.url:
        rows = ("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n)"
                % SCHEDULES)
        new = "randomblob(16)"
    query(server, database,
          "INSERT INTO schedule (workflow_id, tenant_id, version, hash, spec, anchor, next_at, due_at, moved_at)"
          " SELECT %s, tenant_id, version, hash, spec, anchor, %d, %d, moved_at FROM schedule, %s AS n"
          % (new, at * 1000000, at * 1000000, rows))


def measure_timers(table, name, server, database, workflows):
    long, until = workflows
    start_many(server, long, 3000, '\'{"for": "0"}\'')
    time.sleep(2)
    before = rss_mb(server.pid)
    rate = start_many(server, long, TIMERS, 'string.format(\'{"for": "%d"}\', 600 + math.random(3600))')
    wait_until("timers", TIMERS, lambda: parked(server, database))
    time.sleep(3)
    each = (rss_mb(server.pid) - before) * (1 << 20) / TIMERS
    table.add("%s: memory of each of %d timers" % (name, TIMERS), "%.0f bytes; started at %.0f/s" % (each, rate),
              "<= 200", each <= 200)
    due = start_spread(server, until)
    wait_until("spread", len(due), lambda: finished(server, database, until))
    ends = lags(server, database, until)
    late = [(ends[run] - at) * 1000 for run, at in due.items()]
    if min(late) < 0:
        raise RuntimeError("a timer ended %.3f ms early" % -min(late))
    table.add("%s: %d timers due within ten seconds, lag" % (name, len(due)), "p50 %.1f ms, p99 %.1f ms, at most %.1f ms"
              % (percentile(late, 0.5), percentile(late, 0.99), max(late)), "p99 < 50 ms", percentile(late, 0.99) < 50)


def measure_herd(table, name, server, database, until):
    had = finished(server, database, until)
    at = int(time.time()) + 20
    start_many(server, until, HERD, '\'{"at": "%s"}\'' % rfc3339(at))
    if time.time() > at - 6:
        raise RuntimeError("the machine is too slow for this lead")
    wait_until("herd", had + HERD, lambda: finished(server, database, until))
    ends = [end for end in lags(server, database, until).values() if end >= at]
    table.add("%s: %d timers due at one moment" % (name, HERD), "%.2f s, half of them in %.2f s"
              % (max(ends) - at, percentile(ends, 0.5) - at), "< 3 s", max(ends) - at < 3)


def measure_restart(table, name, data, database, workflow, empty):
    at = int(time.time()) + 30
    with Server(*flags_of(database), data=data) as server:
        seed_schedules(server, database, at)  # as if they had been published: the server finds them when it starts
        query(server, database, "DELETE FROM schedule WHERE next_at <> %d" % (at * 1000000))
    began = time.monotonic()
    with Server(*flags_of(database), data=data) as server:
        caller = Caller(server, workflow)
        caller({"at": rfc3339(time.time())})
        first = (time.monotonic() - began) * 1000
        caller.close()
        table.add("%s: start to ready, and to the first answer, with all" % name, "%.0f ms, %.0f ms"
                  % (server.ready_ms, first), "< 1 s", first < 1000)
        time.sleep(5)
        each = (rss_mb(server.pid) - empty) * (1 << 20) / (TIMERS + SCHEDULES)
        table.add("%s: memory of each timer and schedule then" % name, "%.0f bytes" % each, "<= 200", each <= 200)
        if time.time() > at - 1:
            raise RuntimeError("the machine is too slow for this lead")
        count = "SELECT COUNT(*) FROM run WHERE origin = 'schedule' AND finished_at IS NOT NULL"
        wait_until("schedules", SCHEDULES, lambda: number(server, database, count))
        ends = [int(r[0]) / 1e6 - at for r in query(
            server, database, "SELECT finished_at FROM run WHERE origin = 'schedule' ORDER BY finished_at")]
        table.add("%s: %d schedules at one moment" % (name, SCHEDULES), "the first %d in %.2f s, all in %.2f s"
                  % (HERD, ends[HERD - 1], ends[-1]), "10,000 in < 3 s", ends[HERD - 1] < 3)


def measure(table, name, database):
    data = tempfile.mkdtemp(prefix="heddle-bench-")
    try:
        with Server(*flags_of(database), data=data) as server:
            server.make_key()
            workflows = (publish(server, waiting({"duration": "{{ t.for }}"})),
                         publish(server, waiting({"mode": "until", "until": "{{ t.at }}"})))
            publish(server, SCHEDULED)
        with Server(*flags_of(database), data=data) as server:
            Caller(server, workflows[0])({"for": "0"})
            time.sleep(5)
            empty = rss_mb(server.pid)
            measure_timers(table, name, server, database, workflows)
            measure_herd(table, name, server, database, workflows[1])
        measure_restart(table, name, data, database, workflows[1], empty)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def timers_table():
    table = Table("Timers and schedules of a whole server (W3)",
                  "Runs that wait in a `delay`, started by a webhook; they are due within the hour, but for those of which "
                  "lag is told: from when one was due to when its end was written. Each memory is what the process has "
                  "more than before, caches and all. Schedules start a durable run each.")
    for name, kind in DATABASES:
        with kind() as database:
            measure(table, name, database)
    return table


if __name__ == "__main__":
    timers_table()
