#!/usr/bin/env python3
"""Turn files into C that the build compiles into the binary.

embed.py migrations OUT.c FILE.sql...   store/migrate.h's table, in the order of the numbers
embed.py console OUT.c [DIST_DIR]       net/static.h's table of the console's files, each also in
                                        gzip and brotli where that makes it smaller
"""
import gzip
import hashlib
import os
import shutil
import subprocess
import sys

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
    ".ico": "image/x-icon", ".json": "application/json", ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
    ".map": "application/json",
}


def c_string(text):
    out = []
    for line in text.splitlines(keepends=True):
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        out.append('    "%s"' % escaped)
    return "\n".join(out) or '    ""'


def migrations(out, files):
    rows = []
    for path in sorted(files, key=os.path.basename):
        base = os.path.basename(path)[:-4]
        number, name = base.split("_", 1)
        with open(path, encoding="utf-8") as f:
            rows.append('    {%d, "%s",\n%s},' % (int(number), name, c_string(f.read())))
    numbers = [int(os.path.basename(p).split("_", 1)[0]) for p in files]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        sys.exit("migrations must be numbered 1..n without gaps: %s" % sorted(numbers))
    write(out, '#include "store/migrate.h"\n\nconst struct migration migrations[] = {\n%s\n    {0},\n};\n'
          % "\n".join(rows))


# Strings compile many times faster than lists of numbers. Octal escapes always have three digits.
ESCAPED = [chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else "\\%03o" % b for b in range(256)]


def blob(name, data):
    lines = ['"%s"' % "".join(ESCAPED[b] for b in data[i:i + 200]) for i in range(0, len(data), 200)]
    return "static const char %s[%d] =\n%s;\n" % (name, len(data) or 1, "\n".join(lines) or '""')


def brotli(data):
    tool = shutil.which("brotli")
    if not tool:
        return None
    return subprocess.run([tool, "-c", "-q", "11"], input=data, stdout=subprocess.PIPE, check=True).stdout


def console(out, dist):
    blobs, rows = [], []
    for folder, _, names in sorted(os.walk(dist)) if dist else []:
        for name in sorted(names):
            path = os.path.join(folder, name)
            url = "/" + os.path.relpath(path, dist).replace(os.sep, "/")
            with open(path, "rb") as f:
                data = f.read()
            i = len(rows)
            forms = []
            for form, packed in (("raw", data), ("gzip", gzip.compress(data, 9, mtime=0)), ("br", brotli(data))):
                if form != "raw" and (packed is None or len(packed) >= len(data)):
                    forms.append("{0}")
                    continue
                blobs.append(blob("f%d_%s" % (i, form), packed))
                forms.append("{f%d_%s, %d}" % (i, form, len(packed)))
            etag = hashlib.sha256(data).hexdigest()[:20]
            mime = TYPES.get(os.path.splitext(name)[1], "application/octet-stream")
            hashed = "true" if "/assets/" in url else "false"
            rows.append('    {"%s", "%s", "%s", %s, %s},' % (url, mime, etag, hashed, ", ".join(forms)))
    write(out, '#include "net/static.h"\n\n%s\nconst struct static_file console_files[] = {\n%s\n    {0},\n};\n'
          % ("\n".join(blobs), "\n".join(rows)))


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    if sys.argv[1] == "migrations":
        migrations(sys.argv[2], sys.argv[3:])
    else:
        console(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
