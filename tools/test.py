#!/usr/bin/env python3
"""Run Heddle's test suites, show what they print, and end with one line: "N passed, N failed".

test.py [NAME...]                all suites; with NAMEs only the unit tests that match one of them
test.py --unit BUILD [NAME...]   the unit tests of one build folder
test.py --api BUILD              the API tests with the program of that folder, built to look closely

A suite that fails without naming a failed test, or that runs no test at all, counts as one failure: nothing
that went wrong is ever added up to zero. The sums of all suites are also left in build/tests.json.
"""
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUITE_SECONDS = int(os.environ.get("HEDDLE_TEST_SUITE_SECONDS", "1500"))  # a suite that takes longer hangs
SUMMARY = os.path.join(TOP, "build", "tests.json")
# How each runner words its result, the last match counts: ours, node --test, vitest.
COUNTS = {
    "heddle": {"passed": r"^(\d+) passed, \d+ failed", "failed": r"^\d+ passed, (\d+) failed",
               "skipped": r"(\d+) skipped$"},
    "node": {"passed": r"^. pass (\d+)", "failed": r"^. fail (\d+)", "skipped": r"^. skipped (\d+)"},
    "vitest": {"passed": r"^ *Tests .*?(\d+) passed", "failed": r"^ *Tests .*?(\d+) failed",
               "skipped": r"^ *Tests .*?(\d+) skipped"},
}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def end(child):
    """End a suite with all that it started: kindly, then not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            return
        time.sleep(10)


def run(name, words, command, folder=TOP, env=None):
    """Run one suite, its output passed through, and give (name, passed, failed, skipped, seconds)."""
    print("== %s" % name, flush=True)
    found = {"passed": 0, "failed": 0, "skipped": 0}
    started = time.monotonic()
    missing = [c for c in command if c.startswith(TOP) and not os.path.exists(c)]
    if missing:
        print("FAIL suite %s: %s is missing" % (name, os.path.relpath(missing[0], TOP)), flush=True)
        return name, 0, 1, 0, 0.0
    child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
                             env={**os.environ, **(env or {})})
    late = threading.Timer(SUITE_SECONDS, end, (child,))
    late.daemon = True
    late.start()
    try:
        for line in child.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            plain = COLOUR.sub("", line.rstrip("\n"))
            for what, pattern in COUNTS[words].items():
                match = re.search(pattern, plain)
                if match:
                    found[what] = int(match.group(1))
        status = child.wait()
    except KeyboardInterrupt:
        end(child)
        raise
    if time.monotonic() - started > SUITE_SECONDS:
        print("FAIL suite %s: it was ended after %d seconds" % (name, SUITE_SECONDS), flush=True)
    late.cancel()
    if found["failed"] == 0 and (status != 0 or found["passed"] == 0):
        why = "ended with status %d" % status if status else "ran no test"
        print("FAIL suite %s: %s" % (name, why), flush=True)
        found["failed"] = 1
    return name, found["passed"], found["failed"], found["skipped"], time.monotonic() - started


def with_databases(command):
    """The store's tests run on PostgreSQL too, and those of limits beside Redis, on servers of their own."""
    helpers = [os.path.join(TOP, "tools", name) for name in ("with_redis.sh", "with_pg.sh")]
    return [helper for helper in helpers if os.path.exists(helper)] + command


def unit(build, names):
    command = [os.path.join(TOP, build, "heddle_tests")] + names
    return run("unit tests (%s)" % build, "heddle", with_databases(command), env=data())


def data():
    """Collections of test cases that are not part of the project, where they lie beside it."""
    path = os.path.join(TOP, "..", "shared", "data")
    return {"HEDDLE_TEST_DATA": path} if "HEDDLE_TEST_DATA" not in os.environ and os.path.isdir(path) else {}


# Files that wait for clocks and take longest begin first, or one of them would be alone at the end.
LONGEST = ["schedules.test.mjs", "bad_days.test.mjs", "waits.test.mjs", "events.test.mjs", "restart.test.mjs"]


def node_files(folder):
    path = os.path.join(TOP, "test", folder)
    names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    names.sort(key=lambda n: LONGEST.index(n) if n in LONGEST else len(LONGEST))
    return [os.path.join("test", folder, n) for n in names if n.endswith(".test.mjs")]


def packages(name, folder):
    """Have a suite's npm packages at hand; gives the row of its failure if they cannot be had, else None."""
    if not os.path.exists(os.path.join(folder, "package-lock.json")):
        return None
    status = subprocess.run([os.path.join(TOP, "tools", "npm_ci.sh"), folder], stdin=subprocess.DEVNULL, check=False)
    if status.returncode == 0:
        return None
    print("FAIL suite %s: its npm packages cannot be installed" % name, flush=True)
    return name, 0, 1, 0, 0.0


def node_suite(name, folder, at_once, build="build"):
    files = node_files(folder)
    if not files:
        return None
    failure = packages(name, os.path.join(TOP, "test"))
    if failure:
        return failure
    command = [os.path.join(TOP, "tools", "node.sh"), "node", "--test", "--test-reporter=spec",
               "--test-force-exit", "--test-concurrency=%d" % at_once, *files]
    # One server of PostgreSQL for all files: processes die in these tests, the power does not fail.
    return run(name, "node", with_databases(command),
               env={"HEDDLE_BIN": os.path.join(TOP, build, "heddle"), "HEDDLE_TEST_PG_FSYNC": "off"})


def web_suite():
    folder = os.path.join(TOP, "web")
    if not os.path.exists(os.path.join(folder, "package.json")):
        return None
    name = "console tests (web)"
    return packages(name, folder) or run(name, "vitest", [os.path.join(TOP, "tools", "node.sh"), "npm", "test"],
                                         folder=folder)


def browser_suite():
    """The console's main paths in Chromium, against the real program."""
    folder = os.path.join(TOP, "web")
    if not os.path.exists(os.path.join(folder, "test", "e2e.mjs")):
        return None
    name = "console in a browser"
    return packages(name, folder) or run(name, "heddle", [os.path.join(TOP, "tools", "node.sh"), "node", "test/e2e.mjs"],
                                         folder=folder, env={"HEDDLE": os.path.join(TOP, "build", "heddle")})


def main(arguments):
    whole = not arguments
    if arguments[:1] == ["--unit"]:
        rows = [unit(arguments[1], arguments[2:])]
    elif arguments[:1] == ["--api"]:
        rows = [node_suite("API tests (%s)" % arguments[1], "api", 5, arguments[1])]
    elif arguments:
        rows = [unit("build-test", arguments)]
    else:
        rows = [unit("build-test", []), node_suite("API tests (test/api)", "api", 6), web_suite(),
                browser_suite(), node_suite("crash tests (test/crash)", "crash", 1)]
    rows = [row for row in rows if row]
    print()
    for name, passed, failed, skipped, seconds in rows:
        print("%-32s %6d passed %4d failed %4d skipped %7.1f s" % (name, passed, failed, skipped, seconds))
    passed, failed = sum(r[1] for r in rows), sum(r[2] for r in rows)
    if whole:
        os.makedirs(os.path.dirname(SUMMARY), exist_ok=True)
        with open(SUMMARY, "w", encoding="utf-8") as f:
            json.dump({"passed": passed, "failed": failed}, f)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
