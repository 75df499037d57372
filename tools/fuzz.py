#!/usr/bin/env python3
"""Run the fuzz targets of a build folder for FUZZ_SECONDS each, as many at once as there are cores.

fuzz.py BUILD [NAME-PART...]

Each starts from its seeds (test/fuzz/corpus/<what>) and from what earlier runs found (BUILD/corpus/<what>).
What broke a target is kept in BUILD/findings and named, with the command that repeats it. Ends with 1 if
there is a finding.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def fuzz(build, name, seconds):
    """Give (name, runs, path of the finding or None, output)."""
    what = name.removeprefix("fuzz_")
    corpus = os.path.join(build, "corpus", what)
    findings = os.path.join(build, "findings", what) + "-"
    seeds = os.path.join(TOP, "test", "fuzz", "corpus", what)
    dictionary = os.path.join(TOP, "test", "fuzz", "corpus", what + ".dict")
    os.makedirs(corpus, exist_ok=True)
    os.makedirs(os.path.dirname(findings), exist_ok=True)
    command = [os.path.join(build, name), "-max_total_time=%d" % seconds, "-timeout=20",
               "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1", "-artifact_prefix=" + findings]
    if os.path.exists(dictionary):
        command.append("-dict=" + dictionary)
    command += [corpus] + ([seeds] if os.path.isdir(seeds) else [])
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", timeout=seconds + 120, check=False)
        output, status = result.stdout, result.returncode
    except subprocess.TimeoutExpired as e:
        output, status = (e.stdout or b"").decode(errors="replace"), 1
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    return name, int(runs.group(1)) if runs else 0, status, output


def main(build, parts):
    build = os.path.join(TOP, build)
    seconds = int(os.environ.get("FUZZ_SECONDS", "30"))
    names = sorted(os.path.basename(p) for p in glob.glob(os.path.join(TOP, "test/fuzz/fuzz_*.c")))
    names = [n[:-2] for n in names if not parts or any(p in n for p in parts)]
    broken = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for job in concurrent.futures.as_completed([pool.submit(fuzz, build, n, seconds) for n in names]):
            name, runs, status, output = job.result()
            print("%-24s %9d runs in %d s  %s" % (name, runs, seconds, "FINDING" if status else "ok"), flush=True)
            if status:
                broken += 1
                print("\n".join(output.split("\n")[-60:]))
                for path in re.findall(r"written to (\S+)", output):
                    print("again: %s %s" % (os.path.join(os.path.relpath(build, TOP), name),
                                            os.path.relpath(path, TOP)))
    print("fuzzing: %d of %d targets have a finding" % (broken, len(names)))
    return 1 if broken or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
