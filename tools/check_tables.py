#!/usr/bin/env python3
"""House rules a compiler does not see: tables list every file, files open with a comment, no banned words.

- Each file that defines a row of a table is named there, and the table is in alphabetical order (TABLES).
- A C file begins with a comment that names the file; scripts begin with a comment or docstring.
- No TODO without the number of an issue; no call that blocks a loop or that base/banned.h would miss.
- A folder with C sources has a README.md, and the files that it names exist.
- Each decision in docs/adr has a number of its own and stands in the list there.
"""
import glob
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# (files, what marks one that must be listed, table, pattern of a row: its group begins with the file's stem)
TABLES = [
    ("src/main/cmd_*.c", r"struct cli_verb ", "src/main/verbs.c", r"&(cmd_\w+)"),
    ("src/wf/nodes/node_*.c", r"struct wf_node_type ", "src/wf/nodes/table.c", r"&wf_(node_\w+)"),
    ("src/api/api_*.c", r"struct route \w+_routes\[\]", "src/api/routes.c", r"\b(api_\w+?)_routes\b"),
]
# Calls that must not stand in the product: (pattern, files it does not concern, why).
BANNED = [
    (r"\b(?:sleep|usleep|nanosleep)\s*\(", r"_test\.c$|/test_", "blocks the loop; use fiber_sleep"),
    (r"\b(?:poll|select|epoll_wait)\s*\(", r"_test\.c$|/test_", "blocks the loop; use wait_for"),
    (r"\bsystem\s*\(", r"$^", "starts a shell; use proc_run"),
    (r"\bpopen\s*\(", r"_test\.c$", "starts a shell; use proc_run"),
    (r"\b(?:strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gmtime|localtime)\s*\(",
     r"$^", "is banned (base/banned.h)"),
    (r"\brand\s*\(|\brandom\s*\(", r"$^", "is no good randomness; use crypto_random"),
]
# file: the calls it may use all the same.
ALLOWED = {
    "src/rt/inject.c": "nanosleep",  # the injected delay holds the shard on purpose
}


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
                         cwd=TOP, stdout=subprocess.PIPE, check=True).stdout.decode()
    return [p for p in out.split("\0") if p and os.path.exists(os.path.join(TOP, p))]


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def without_comments(text):
    """The text with comments and strings blanked, lines kept."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def check_tables():
    for pattern, mark, table, row in TABLES:
        files = [p for p in glob.glob(os.path.join(TOP, pattern))
                 if not p.endswith("_test.c") and re.search(mark, read(p))]
        if not files:
            continue
        if not os.path.exists(os.path.join(TOP, table)):
            yield "%s: missing, but there are %s" % (table, pattern)
            continue
        rows = re.findall(row, without_comments(read(table)))
        if rows != sorted(rows):
            yield "%s: the rows are not in alphabetical order" % table
        for path in sorted(files):
            stem = os.path.basename(path)[:-2]
            if not any(r == stem or r.startswith(stem + "_") for r in rows):
                yield "%s: %s is not listed" % (table, os.path.basename(path))


def check_opening():
    for path in tracked("src/*.[ch]", "test/*.[ch]", "bench/*.[ch]"):
        if not read(path).startswith("/* %s" % path):
            yield '%s: begin it with a comment: "/* %s - what it is ..."' % (path, path)
    for path in tracked("*.py", "*.sh"):
        lines = read(path).split("\n")
        first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
        if not first.startswith(("#", '"""')):
            yield "%s: begin it with a comment that says what it is" % path


def check_words():
    for path in tracked("src/*.[ch]", "test/*.[ch]", "bench/*.[ch]", "web/src/*", "tools/*", "test/*.mjs"):
        if path == "tools/check_tables.py":
            continue
        try:
            text = read(path)
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if re.search(r"\b(?:TODO|FIXME|XXX)\b(?!\(#\d+\))", line):
                yield "%s:%d: a TODO names its issue: TODO(#123)" % (path, number)
    for path in tracked("src/*.[ch]"):
        text = without_comments(read(path))
        for pattern, except_in, why in BANNED:
            if re.search(except_in, path):
                continue
            for match in re.finditer(pattern, text):
                name = match.group(0).split("(")[0].strip()
                if name in ALLOWED.get(path, "").split():
                    continue
                number = text.count("\n", 0, match.start()) + 1
                yield "%s:%d: %s() %s" % (path, number, name, why)


def check_readmes():
    for folder in sorted({os.path.dirname(p) for p in tracked("src/*.c")}):
        if not os.path.exists(os.path.join(TOP, folder, "README.md")):
            yield "%s: there is no README.md that says what the folder is for" % folder
    for path in tracked("src/*README.md"):
        for name in re.findall(r"`((?:\.\./)*[\w/]+\.[ch])`", read(path)):
            places = [os.path.join(TOP, os.path.dirname(path), name), os.path.join(TOP, "src", name)]
            if not any(map(os.path.exists, places)):
                yield "%s: there is no %s" % (path, name)


def check_decisions():
    listed = re.findall(r"^\| \[(\d+)\]\((\S+)\)", read("docs/adr/README.md"), re.M)
    files = [os.path.basename(p) for p in tracked("docs/adr/0*.md")]
    if [int(number) for number, _ in listed] != list(range(1, len(files) + 1)):
        yield "docs/adr: decisions are numbered from 1, each once, and listed in README.md"
    for name in sorted(set(files) ^ {name for _, name in listed}):
        yield "docs/adr/%s: it must be both there and in README.md" % name
    for number, name in listed:
        if int(number) != int(name[:4]):
            yield "docs/adr/README.md: %s is not %s" % (name, number)


def main():
    faults = [*check_tables(), *check_opening(), *check_words(), *check_readmes(), *check_decisions()]
    print("\n".join(faults) or "all tables and house rules are kept")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
