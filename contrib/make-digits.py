#!/usr/bin/env python3
"""make-digits.py CSV.GZ DIR: writes the digits that scorefield ships.

CSV.GZ is scikit-learn's sklearn/datasets/data/digits.csv.gz: 1,797 lines of 64 grey
levels 0..16 and a label. Debian has it in the package python3-sklearn:

    apt-get download python3-sklearn && dpkg-deb -x python3-sklearn_*.deb tree
    contrib/make-digits.py \\
        tree/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz data

DIR gets digits-images-idx3-ubyte.gz and digits-labels-idx1-ubyte.gz (IDX, one byte an
element). They carry no name and no time stamp, so that a second run makes the same bytes
with the same version of zlib.

SPDX-License-Identifier: BSD-3-Clause
"""
import gzip
import os
import struct
import sys


def write(path, sizes, data):
    head = struct.pack(">BBBB", 0, 0, 8, len(sizes)) + struct.pack(">%dI" % len(sizes), *sizes)
    with open(path, "wb") as f:
        with gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
            z.write(head + data)


def main(source, folder):
    with gzip.open(source, "rt") as f:
        rows = [[int(v) for v in line.split(",")] for line in f]
    counts = [sum(r[64] == k for r in rows) for k in range(10)]
    assert len(rows) == 1797 and all(len(r) == 65 for r in rows)
    assert sum(sum(r[:64]) for r in rows) == 561718
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    write(os.path.join(folder, "digits-images-idx3-ubyte.gz"), (1797, 8, 8),
          b"".join(bytes(r[:64]) for r in rows))
    write(os.path.join(folder, "digits-labels-idx1-ubyte.gz"), (1797,), bytes(r[64] for r in rows))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
