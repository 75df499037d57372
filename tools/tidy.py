#!/usr/bin/env python3
"""Run clang-tidy over the C sources of a build folder, two at a time or as many as there are cores.

tidy.py BUILD [FILE-PART...]

A file that was clean is not looked at again while its preprocessed text and the checks stay the same: the
marks are in BUILD/tidy. Ends with 1 if there are findings.
"""
import concurrent.futures
import hashlib
import json
import os
import shlex
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def entries(build, parts):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        for entry in json.load(f):
            path = os.path.relpath(entry["file"], TOP)
            if path.startswith(("src/", "test/", "bench/")) and (not parts or any(p in path for p in parts)):
                yield path, entry


def fingerprint(entry, salt):
    words = [w for w in shlex.split(entry["command"]) if not w.endswith("ccache")]
    if "-o" in words:
        del words[words.index("-o"):words.index("-o") + 2]
    text = subprocess.run([*words, "-E", "-w", "-D__clang_analyzer__", "-o", "-"], cwd=entry["directory"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    return hashlib.sha256(salt + " ".join(words).encode() + text).hexdigest()


def look(build, path, entry, salt):
    """Give what clang-tidy has to say about one file; nothing if it is clean."""
    mark = os.path.join(build, "tidy", fingerprint(entry, salt))
    if os.path.exists(mark):
        return ""
    result = subprocess.run(["clang-tidy", "-p", build, "--quiet", os.path.join(TOP, path)], cwd=TOP,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode == 0:
        with open(mark, "w", encoding="utf-8") as f:
            f.write(path)
        return ""
    return result.stdout or result.stderr


def main(build, parts):
    build = os.path.join(TOP, build)
    os.makedirs(os.path.join(build, "tidy"), exist_ok=True)
    with open(os.path.join(TOP, ".clang-tidy"), "rb") as f:
        salt = f.read()
    found, total = 0, 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        jobs = {pool.submit(look, build, path, entry, salt): path for path, entry in entries(build, parts)}
        for job in concurrent.futures.as_completed(jobs):
            total += 1
            if job.result():
                found += 1
                print(job.result().replace(TOP + "/", ""), flush=True)
    print("clang-tidy: %d of %d files have findings" % (found, total))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
