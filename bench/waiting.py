"""Ten thousand runs that wait for slow models, fifty webhooks a second beside them, and whose turn it is (W4)."""
import os
import subprocess
import threading
import time

from common import DATABASES, ROOT, Peak, Server, Table, cpu_us, flags_of, free_port, number, query, rss_mb
from timers import finished, percentile, start_many, wait_until
from webhook import Caller, chain, flow, publish

RUNS, RATE = int(os.environ.get("RUNS", "10000")), 50
MODEL = "w-25000-60000-40-50"  # 25 to 60 s of silence, then 40 tokens, 20 a second
BIG, SMALL, OF_SMALL, PLACES = 9000, 100, 10, 100


class Models:
    """The model server of bench_gateway."""

    def __enter__(self):
        self.port = free_port()
        self.process = subprocess.Popen([os.path.join(ROOT, "build", "bench_gateway"), "upstream", str(self.port)],
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.url = "http://127.0.0.1:%d/v1" % self.port
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def asking(models, model, settings=None):
    return flow([{"id": "t", "type": "trigger", "data": {"trigger": "webhook", "webhook": {"method": "POST"}}},
                 {"id": "m", "type": "llm", "data": {"base_url": models.url, "model": model, "prompt": "{{ t.text }}",
                                                     "retry": {"max_attempts": 5, "delay": "1s", "on": ["any"]}}},
                 {"id": "o", "type": "output", "data": {"output": "{{ m.text }}"}}], settings)


class Steady:
    """@RATE calls a second for as long as it is open, each at its time, whatever became of those before."""

    def __init__(self, server, workflow, callers=16):
        self.server, self.workflow, self.over = server, workflow, threading.Event()
        self.latencies, self.at, self.failed = [], [], []
        self.began = time.perf_counter()
        self.threads = [threading.Thread(target=self.call, args=(i, callers)) for i in range(callers)]

    def call(self, i, callers):
        caller = Caller(self.server, self.workflow)
        while True:
            at = self.began + i / RATE
            if self.over.wait(max(at - time.perf_counter(), 0)):
                break
            try:
                caller({"n": i})
            except (OSError, RuntimeError) as e:
                self.failed.append(e)
                break
            self.latencies.append((time.perf_counter() - at) * 1000)
            self.at.append(at - self.began)
            i += callers
        caller.close()

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for t in self.threads:
            t.join()
        if self.failed:
            raise RuntimeError("a webhook failed: %s" % self.failed[0])


def measure_waiting(table, name, database, models):
    with Server(*flags_of(database)) as server:
        server.make_key()
        slow, quick = publish(server, asking(models, MODEL)), publish(server, chain(3))
        start_many(server, quick_start(server), 30000, '\'{"n": 1}\'')
        with Steady(server, quick) as alone:
            time.sleep(20)
        before, spent = rss_mb(server.pid), cpu_us(server.pid)
        rate = start_many(server, slow, RUNS, '\'{"text": "hello"}\'')
        time.sleep(3)
        with Peak(lambda: rss_mb(server.pid)) as memory:
            with Steady(server, quick) as beside:
                time.sleep(15)
                first = finished(server, database, slow)
                waiting = rss_mb(server.pid)
                # Seldom: to count is a scan of all runs, by another process, that the webhooks would wait behind.
                wait_until("models", RUNS, lambda: finished(server, database, slow), 300, 5)
        spent = (cpu_us(server.pid) - spent) / 1000 / RUNS
        good = number(server, database, "SELECT COUNT(*) FROM run WHERE state = 3 AND finished_at - created_at > 1000000")
        each, most = ((m - before) * 1024 / RUNS for m in (waiting, memory.most))
        table.add("%s: memory of each of %d runs that wait" % (name, RUNS - first),
                  "%.1f KiB, at most %.1f KiB; started at %.0f/s, %.2f ms CPU in all each, %d succeeded"
                  % (each, most, rate, spent, good), "<= 16 KiB", each <= 16)
        ours, theirs = percentile(beside.latencies, 0.99), percentile(alone.latencies, 0.99)
        silent = [took for at, took in zip(beside.at, beside.latencies) if at < 15]
        table.add("%s: %d webhooks a second beside them" % (name, RATE),
                  "p50 %.1f ms, p99 %.1f ms (%.1f ms while all are silent); alone %.1f ms, %.1f ms: %.2f x" % (
                      percentile(beside.latencies, 0.5), ours, percentile(silent, 0.99),
                      percentile(alone.latencies, 0.5), theirs, ours / theirs),
                  "p99 <= 1.5 x alone", ours <= 1.5 * theirs)


def quick_start(server):
    """A webhook that answers before its run has ended, as the slow ones do."""
    definition = chain(3)
    definition["nodes"][0]["data"]["webhook"]["respond"] = "immediately"
    return publish(server, definition)


def turns(server, database, workflow):
    """For how long runs of small tenants queued, in seconds: all but the second that their model takes."""
    return [int(r[0]) / 1e6 - 1 for r in query(
        server, database, "SELECT r.finished_at - r.created_at FROM run r WHERE r.workflow_id ="
        " (SELECT id FROM workflow WHERE name = '%s') AND r.finished_at IS NOT NULL" % workflow)]


def measure_fairness(table, name, database, models):
    settings = {"flow": {"pool": "models", "concurrency": PLACES, "fair": "{{ input.tenant }}"}}
    body = '(function() _G.k = (_G.k or -1) + 1; return string.format(\'{"text":"x","tenant":"small-%%d"}\', _G.k %% %d) end)()' % SMALL
    medians = []
    for others in (0, BIG):
        with Server(*flags_of(database)) as server:
            server.make_key()
            definitions = {who: asking(models, "m-1-1000", settings) for who in ("big", "small")}
            for who, definition in definitions.items():
                definition["name"] = "%s beside %d" % (who, others)
            big, small = (publish(server, definitions[who]) for who in ("big", "small"))
            if others:
                start_many(server, big, others, '\'{"text":"x","tenant":"big"}\'')
            start_many(server, small, SMALL * OF_SMALL, body)
            wait_until("small tenants", SMALL * OF_SMALL, lambda: finished(server, database, small), 300)
            medians.append(percentile(turns(server, database, definitions["small"]["name"]), 0.5))
            if others:
                server.stop(9)  # what is left of the big one's runs is of no interest
            else:  # nor may a run of this server that began too many hold a place until it is taken for dead
                wait_until("the gate", 0, lambda: -number(server, database, "SELECT COUNT(*) FROM flow_run"))
    table.add("%s: wait of %d runs of %d tenants beside %d of one" % (name, SMALL * OF_SMALL, SMALL, BIG),
              "median %.2f s, alone %.2f s: %.2f x" % (medians[1], medians[0], medians[1] / medians[0]),
              "<= 1.2 x alone", medians[1] <= 1.2 * medians[0])


def waiting_table():
    table = Table("Runs that wait for models (W4)",
                  "Each has one call in flight to a model that is silent for 25 to 60 s and then streams 40 tokens, 20 a "
                  "second; of a hundred calls two are refused with 429 and one breaks off. Memory is all that the process "
                  "has more than before, sockets' buffers of the kernel aside. %d webhooks a second come at their time "
                  "(open loop). Tenants take turns by `flow.fair` before %d places; their model takes a second."
                  % (RATE, PLACES))
    for name, kind in DATABASES:
        with Models() as models:
            with kind() as database:
                measure_waiting(table, name, database, models)
            with kind() as database:
                measure_fairness(table, name, database, models)
    return table


if __name__ == "__main__":
    waiting_table()
