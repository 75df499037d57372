"""Iterations (W2): one list of 1,000 and of 100,000 items, of pure steps and of calls that fail now and then."""
import time

from common import Peak, Server, Table, Upstream, median, rss_mb

LIMIT = 50


def workflow(body):
    edges = [{"id": "1", "source": "t", "target": "each"}, {"id": "2", "source": "each", "target": "o"}]
    edges += [{"id": "b%d" % i, "source": body[i - 1]["id"], "target": body[i]["id"]} for i in range(1, len(body))]
    return {
        "heddle": 1, "name": "fan out", "settings": {"max_steps": 1000000, "max_parallel": LIMIT},
        "nodes": [{"id": "t", "type": "trigger", "data": {"trigger": "api"}},
                  {"id": "each", "type": "iteration", "data": {"items": "{{ t }}", "parallel": LIMIT}},
                  *({**node, "parentId": "each"} for node in body),
                  {"id": "o", "type": "output", "data": {"output": {"n": "{{ each.results.length }}",
                                                                   "failed": "{{ each.failed }}"}}}],
        "edges": edges}


PURE = [{"id": "step", "type": "data-transform",
         "data": {"mode": "set", "values": {"i": "{{ index }}", "v": "{{ item }}"}}}]


def call(url):
    return [{"id": "call", "type": "api-call",
             "data": {"url": url + "?i={{ index }}", "timeout": "30s",
                      "retry": {"max_attempts": 20, "delay": "10ms", "max_delay": "50ms"}}},
            {"id": "kept", "type": "data-transform", "data": {"mode": "set", "values": {"ok": "{{ call.body.ok }}"}}}]


def run_once(server, flow, n):
    began = time.monotonic()
    run = server.call("POST", "/api/workflows/%s/execute" % flow, {"input": list(range(n)), "timeout": "10m"})
    seconds = time.monotonic() - began
    if run.get("output") != {"n": n, "failed": 0}:
        raise RuntimeError("the run went wrong: %r" % (run.get("error") or run.get("output")))
    return seconds


def measure(table, server, what, body):
    flow = server.call("POST", "/api/workflows", workflow(body))["id"]
    run_once(server, flow, 100)
    small = median([run_once(server, flow, 1000) for _ in range(5)]) * 1000
    table.add("1,000 items, %s" % what, "%.0f ms" % small, "< 150 ms", small < 150)
    with Peak(lambda: rss_mb(server.pid)) as memory:
        seconds = run_once(server, flow, 100000)
    growth = memory.most - memory.before
    table.add("100,000 items, %s" % what, "%.1f s, %.0f us each" % (seconds, seconds * 10), "< 15 s", seconds < 15)
    table.add("memory that they take besides", "%.0f MB" % growth, "< 64 MB", growth < 64)


def fanout_table():
    table = Table("Iterations (SQLite, synchronous=FULL)",
                  "One run over HTTP that goes through a list, at most %d items at once; the calls go to nginx, which answers 1 %% "
                  "of them with 500, and they are tried again." % LIMIT)
    with Server() as server:
        measure(table, server, "a pure step each", PURE)
    # On one shard, so that no other one keeps connections of a run before.
    with Server(env={"HEDDLE_SHARDS": "1"}) as server, Upstream() as upstream:
        with Peak(upstream.connections) as open_ones:
            measure(table, server, "a call and a pure step each", call(upstream.url))
        seen = upstream.statuses()
        table.add("connections for %d calls, of which %d failed" % (sum(seen.values()), seen.get("500", 0)),
                  "%d at most" % open_ones.most, "<= %d, the limit" % LIMIT, open_ones.most <= LIMIT)
    return table


if __name__ == "__main__":
    fanout_table()
