#!/usr/bin/env python3
"""All that CI looks at besides the tests; ends with one line: "N passed, N failed", counted in checks.

check.py [NAME...]    all checks, or those named

Every check runs, also after one has failed. The sums are also left in build/checks.json.
"""
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
JOBS = str(os.cpu_count() or 2)
NODE = os.path.join(TOP, "tools", "node.sh")
HEDDLE = os.path.join(TOP, "build", "heddle")
# What is in the tree but printed by a program: (file, command).
GENERATED = [
    ("docs/heddle.1", ["build/heddle", "man"]),
    ("src/base/decimal_table.c", ["python3", "tools/gen_decimal.py"]),
]
SANITIZER = {
    "ASAN_OPTIONS": "strict_string_checks=1:detect_stack_use_after_return=0:verify_asan_link_order=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "second_deadlock_stack=1",
    "HEDDLE_TEST_SLOW": "4",
}


class Failed(Exception):
    """A check that has said already why it fails."""


def call(*command, folder=TOP, env=None):
    result = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})},
                            check=False)
    if result.returncode != 0:
        raise Failed("%s ended with status %d" % (os.path.basename(command[0]), result.returncode))


def output(*command):
    return subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout


def c_files():
    names = output("git", "ls-files", "-z", "--", "src/*.[ch]", "test/*.[ch]", "bench/*.[ch]").decode()
    return [n for n in names.split("\0") if n]


def script(folder, name):
    """Whether the npm package of the folder has this script."""
    path = os.path.join(TOP, folder, "package.json")
    if not os.path.exists(path):
        return False
    with open(path, encoding="utf-8") as f:
        return name in json.load(f).get("scripts", {})


def check_format():
    call("clang-format", "--dry-run", "-Werror", "--ferror-limit=5", *c_files())


def check_floors():
    call("tools/check_floors.py")


def check_tables():
    call("tools/check_tables.py")


def check_generated():
    stale = []
    for path, command in GENERATED:
        with open(os.path.join(TOP, path), "rb") as f:
            if f.read() != output(*command):
                stale.append("write it again: %s > %s" % (" ".join(command), path))
    if stale:
        raise Failed("; ".join(stale))


def check_clang():
    call("make", "clang")
    call("tools/test.py", "--unit", "build-clang")


def check_tidy():
    call("make", "clang")
    call("tools/tidy.py", "build-clang")


def check_cppcheck():
    os.makedirs(os.path.join(TOP, "build-clang", "cppcheck"), exist_ok=True)
    call("cppcheck", "--project=build-clang/compile_commands.json", "--cppcheck-build-dir=build-clang/cppcheck", "-j",
         JOBS, "--quiet", "--error-exitcode=1", "--inline-suppr", "--suppressions-list=tools/cppcheck.txt",
         "--enable=warning,performance,portability", "--std=c11", "--platform=unix64",
         "-D__typeof__(x)=char",  # it does not know the word; good enough for loops over vectors
         "--template={file}:{line}: {severity}: {message} [{id}]")


def check_asan():
    call("make", "asan", env=SANITIZER)
    call("ninja", "-C", "build-asan", "-j", JOBS, "heddle")
    call("tools/test.py", "--api", "build-asan", env=SANITIZER)


def check_tsan():
    call("make", "tsan", env=SANITIZER)


def check_fuzz():
    call("make", "fuzz")


def check_openapi():
    path = os.path.join(TOP, "build", "openapi.json")
    with open(path, "wb") as f:
        f.write(output(HEDDLE, "openapi"))
    call("tools/npm_ci.sh", "tools/spectral")
    call(NODE, "node_modules/.bin/spectral", "lint", "--fail-severity=warn", path,
         folder=os.path.join(TOP, "tools", "spectral"))


def check_console():
    call("tools/npm_ci.sh", "web")
    for name in ("lint", "types", "typecheck"):
        if script("web", name):
            call(NODE, "npm", "run", "--silent", name, folder=os.path.join(TOP, "web"))


def check_package():
    call("make", "package")


CHECKS = [
    ("format", check_format, "C sources are formatted"),
    ("floors", check_floors, "includes point down"),
    ("tables", check_tables, "tables and house rules"),
    ("generated", check_generated, "generated files are fresh"),
    ("clang", check_clang, "second compiler, and the unit tests with it"),
    ("tidy", check_tidy, "clang-tidy"),
    ("cppcheck", check_cppcheck, "cppcheck"),
    ("asan", check_asan, "unit and API tests under AddressSanitizer and UBSan"),
    ("tsan", check_tsan, "runtime and store tests under ThreadSanitizer"),
    ("fuzz", check_fuzz, "every fuzz target for a while"),
    ("openapi", check_openapi, "the API description by Spectral"),
    ("console", check_console, "lint and types of the console"),
    ("package", check_package, "the Debian package builds"),
]


def main(names):
    unknown = set(names) - {name for name, _, _ in CHECKS}
    if unknown:
        sys.exit("check.py: there is no check %s; there is: %s"
                 % (", ".join(sorted(unknown)), ", ".join(name for name, _, _ in CHECKS)))
    rows = []
    for name, check, title in CHECKS:
        if names and name not in names:
            continue
        print("== check %s: %s" % (name, title), flush=True)
        started = time.monotonic()
        why = None
        try:
            check()
        except (Failed, OSError, subprocess.CalledProcessError) as e:
            why = str(e)
            print("FAIL check %s: %s" % (name, why), flush=True)
        rows.append((name, why, time.monotonic() - started))
    print()
    for name, why, seconds in rows:
        print("%-12s %-6s %7.1f s%s" % (name, "FAIL" if why else "ok", seconds, "   " + why if why else ""))
    failed = sum(1 for _, why, _ in rows if why)
    if not names:
        with open(os.path.join(TOP, "build", "checks.json"), "w", encoding="utf-8") as f:
            json.dump({"passed": len(rows) - failed, "failed": failed}, f)
    print("%d passed, %d failed" % (len(rows) - failed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
