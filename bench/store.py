"""Durable rows per second through db.h, against one thread that has the engine to itself."""
import os
import subprocess

from common import ROOT, Table


def store_table():
    table = Table("Store: durable rows, 300 bytes and one index each")
    program = os.path.join(ROOT, "build", "bench_store")
    command = [os.path.join(ROOT, "tools", "with_pg.sh"), program, "0.5"]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in out.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 10 and cells[1].isdigit():
            name, producers, raw, one, two, ratio = cells[:6]
            table.add("%s, %s producers: raw / 1 shard / 2 shards" % (name, producers),
                      "%s / %s / %s rows/s (%s of raw)" % (raw, one, two, ratio), ">= 0.85 of raw",
                      float(ratio) >= 0.85)
        elif len(cells) == 4 and cells[1].isdigit():
            table.add("%s, reading by key, %s fibers" % (cells[0], cells[1]),
                      "%s queries/s, %s us CPU each" % (cells[2], cells[3]), "")
    return table
