#!/usr/bin/env python3
"""Arrows point down: a file includes headers of its own folder and of the floors below it, nothing else.

The order of FLOORS is the order of the house (STYLE.md, section 2). Headers for tests (base/test.h,
rt/test_rt.h, ...) are for test sources, which may use those of any floor. Includes are written from src/ on.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLOORS = ["base", "rt", "net", "store", "audit", "secrets", "auth", "billing", "firewall", "llm", "integ",
          "rag", "agent", "wf", "task", "code", "api", "main"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def is_test_source(path):
    name = os.path.basename(path)
    return name.endswith("_test.c") or name.startswith("test_") or name == "test.h"


def is_test_header(header):
    name = os.path.basename(header)
    return name == "test.h" or name.startswith("test_")


def problem(path, header):
    """Why the file @path (from src/ on) may not include @header; None if it may."""
    own, floor = path.split("/")[0], header.split("/")[0]
    if "/" not in header or ".." in header.split("/"):
        return 'write it from src/ on: "%s/%s"' % (own, os.path.basename(header))
    if not os.path.exists(os.path.join(TOP, "src", header)) and not header.endswith(".def"):
        return "there is no such file"
    if is_test_header(header):
        return None if is_test_source(path) else "a header for tests in the product"
    if floor not in FLOORS:
        return "%s is no floor of tools/check_floors.py" % floor
    if FLOORS.index(floor) > FLOORS.index(own):
        return "%s stands above %s" % (floor, own)
    return None


def main():
    faults = []
    for folder, _, names in os.walk(os.path.join(TOP, "src")):
        for name in sorted(names):
            full = os.path.join(folder, name)
            path = os.path.relpath(full, os.path.join(TOP, "src"))
            if not name.endswith((".c", ".h", ".def")):
                continue
            if path.split("/")[0] not in FLOORS:
                faults.append("src/%s: its folder is no floor of tools/check_floors.py" % path)
                continue
            with open(full, encoding="utf-8") as f:
                for number, line in enumerate(f, 1):
                    match = INCLUDE.match(line)
                    why = match and problem(path, match.group(1))
                    if why:
                        faults.append('src/%s:%d: "%s": %s' % (path, number, match.group(1), why))
    print("\n".join(faults) or "all includes point down")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
