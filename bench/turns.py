"""A loop of 20 turns as agents have them: a model's answer and three tools' results each, the conversation carried on."""
import json
import os
import signal
import sqlite3
import tempfile
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from common import Server, Table, median

TURNS, ANSWER, RESULT = 20, 1000, 3000
WORDS = ("order customer refund invoice late shipped item please answer details about their account street number "
         "delivery warehouse returned label week amount agreed policy exchange stock manager email phone").split()


def words(n, seed):
    """English enough: about 3 to 1 for a compressor."""
    out, size = [], 0
    while size < n:
        seed = (seed * 6364136223846793005 + 1442695040888963407) & (2 ** 64 - 1)
        word = str(seed >> 44) if seed >> 61 == 0 else WORDS[(seed >> 33) % len(WORDS)]
        out.append(word)
        size += len(word) + 1
    return " ".join(out)[:n]


def noise(n, seed):
    """What no compressor makes smaller than three quarters: base64 of chance."""
    out = []
    while len(out) < n:
        seed = (seed * 6364136223846793005 + 1442695040888963407) & (2 ** 64 - 1)
        out.append("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"[seed >> 58])
    return "".join(out)


class Quiet(ThreadingHTTPServer):
    """Connections break when their client is killed."""

    def handle_error(self, *_):
        pass


class World(BaseHTTPRequestHandler):
    """A model and its tools; no answer is like another."""
    protocol_version = "HTTP/1.1"
    lock, text = threading.Lock(), staticmethod(words)
    models, tools, payload, hold, asked_at = 0, 0, 0, None, 0.0

    @classmethod
    def reset(cls, text):
        cls.text, cls.models, cls.tools, cls.payload, cls.hold = staticmethod(text), 0, 0, 0, None

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def new_text(self, n, kind):
        text = World.text(n, 977 * (World.models + 1) + 31 * World.tools + kind)
        World.payload += len(text)
        return text

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with World.lock:
            World.asked_at = time.monotonic()
            World.models += 1
            text = self.new_text(ANSWER, 1)
        self.answer({"id": "x", "object": "chat.completion", "model": "m", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})

    def do_GET(self):
        with World.lock:
            hold = World.hold is not None and World.tools == World.hold
            if hold:
                World.hold = -1
            else:
                World.tools += 1
                text = self.new_text(RESULT, 2)
        if hold:
            time.sleep(30)  # until the server is killed
            return
        self.answer({"text": text})

    def log_message(self, *_):
        pass


def loop(name, first, url, whole):
    """Rounds that carry a conversation on: a list that gets what is new, or one text that is set as a whole each time."""
    m, tools = name + "m", ["%st%d" % (name, i) for i in range(3)]
    said = "{{ %s.vars.said }}" % name
    if whole:
        carry = {"next": {"said": said + "\nassistant: {{ %s.text }}" % m +
                          "".join("\ntool: {{ %s.body.text }}" % t for t in tools)}}
    else:
        carry = {"append": {"said": {"assistant": "{{ %s.text }}" % m, "tools": ["{{ %s.body.text }}" % t for t in tools]}}}
    nodes = [{"id": name, "type": "loop",
              "data": {"max_rounds": TURNS // 2, "variables": [{"name": "said", "value": first}], **carry}},
             {"id": m, "type": "llm", "parentId": name,
              "data": {"base_url": url + "/v1", "api_key": "k", "model": "m", "stream": False, "prompt": said}}]
    nodes += [{"id": t, "type": "api-call", "parentId": name, "data": {"url": url + "/tool"}} for t in tools]
    return nodes, [(m, t) for t in tools]


def definition(url, whole):
    one, edges_one = loop("one", "{{ input.task }}" if whole else ["{{ input.task }}"], url, whole)
    two, edges_two = loop("two", "{{ one.vars.said }}", url, whole)
    nodes = [{"id": "t", "type": "trigger", "data": {"trigger": "api"}}, *one,
             {"id": "ask", "type": "approval", "data": {"subject": "Go on?"}}, *two,
             {"id": "o", "type": "output", "data": {"output": "{{ two.rounds }}"}}]
    edges = [("t", "one"), ("one", "ask"), ("two", "o"), *edges_one, *edges_two]
    return {"heddle": 1, "name": "turns",
            "nodes": [{**n, "position": {"x": 240 * i, "y": 0}} for i, n in enumerate(nodes)],
            "edges": [{"id": "e%d" % i, "source": a, "target": b} for i, (a, b) in enumerate(edges)] +
            [{"id": "go", "source": "ask", "sourceHandle": "approve", "target": "two"}]}


def stored(folder):
    """Bytes of the journal: its rows, the values they refer to, and the keys of those."""
    with sqlite3.connect("file:%s/heddle.db?mode=ro" % folder, uri=True) as db:
        one = lambda sql: db.execute(sql).fetchone()[0] or 0  # noqa: E731
        return (one("SELECT SUM(LENGTH(events)) + 24 * COUNT(*) FROM journal") +
                one("SELECT SUM(LENGTH(body)) + 56 * COUNT(*) FROM payload") +
                one("SELECT 72 * COUNT(*) FROM run_payload"))


def wait(what, fn, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = fn()
        if value:
            return value
        time.sleep(0.01)
    raise RuntimeError("it did not come about: " + what)


def one_run(text, whole):
    """Start, stop the server while it waits for approval, approve, and kill it in the midst of turn 15."""
    World.reset(text)
    world = Quiet(("127.0.0.1", 0), World)
    threading.Thread(target=world.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % world.server_port
    data = tempfile.mkdtemp(prefix="heddle-bench-")
    try:
        with Server(data=data) as server:
            key = server.make_key()
            workflow = server.call("POST", "/api/workflows", definition(url, whole))["id"]
            run = server.call("POST", "/api/workflows/%s/execute" % workflow,
                              {"input": {"task": text(1000, 5)}, "mode": "async"})["id"]
            waiting = lambda: server.call("GET", "/api/runs/%s" % run)["state"] == "waiting"  # noqa: E731
            wait("the approval", waiting)
        with Server(data=data) as server:
            server.key = key
            World.hold = 3 * 14
            approval = server.call("GET", "/api/approvals")["items"][0]["id"]
            before = World.models
            began = time.monotonic()
            server.call("POST", "/api/approvals/%s" % approval, {"decision": "approve"})
            wait("the next call of the model", lambda: World.models > before)
            resumed = (World.asked_at - began) * 1000
            wait("a tool is under way", lambda: World.hold == -1)
            server.stop(signal.SIGKILL)
        with Server(data=data) as server:
            server.key = key
            done = lambda: (lambda r: r if r["state"] in ("succeeded", "failed") else None)(  # noqa: E731
                server.call("GET", "/api/runs/%s" % run))
            doc = wait("the end", done)
            if doc["state"] != "succeeded":
                raise RuntimeError("the run ended as %s: %s" % (doc["state"], doc["error"]))
        return {"journal": stored(data), "payload": World.payload + 1000, "resume_ms": resumed, "models": World.models}
    finally:
        world.shutdown()
        world.server_close()
        shutil.rmtree(data, ignore_errors=True)


def turns_table(rounds=3):
    table = Table("A loop of %d turns (SQLite, synchronous=FULL)" % TURNS,
                  "Each turn: a model's answer of 1 kB and three tools' results of 3 kB, added to the conversation, which is the prompt of "
                  "the next turn and ends at 200 kB; a person approves in the middle. The conversation is a list that turns are appended to, "
                  "or one text that each turn sets anew. The journal is its rows, the values they refer to and the keys of both. The server is "
                  "stopped while the run waits and killed (-9) in turn 15.")
    every = []
    for what, text, whole, n in (("a list, English", words, False, rounds), ("a list, chance in base64", noise, False, 1),
                                 ("one text, English", words, True, 1)):
        results = [one_run(text, whole) for _ in range(n)]
        every += results
        last, share = results[-1], max(r["journal"] / r["payload"] for r in results)
        table.add("journal: %s" % what, "%.0f kB for %.0f kB = %.2fx" % (
            last["journal"] / 1e3, last["payload"] / 1e3, share), "<= 1.2x", share <= 1.2)
    resumed = median([r["resume_ms"] for r in every])
    table.add("approved to the next call of the model, after a restart", "%.1f ms (at most %.1f)" % (
        resumed, max(r["resume_ms"] for r in every)), "< 50 ms", resumed < 50)
    again = max(r["models"] for r in every) - TURNS
    table.add("calls of the model beyond %d, through the kill" % TURNS, "%d" % again, "0", again == 0)
    return table


if __name__ == "__main__":
    turns_table()
