#!/bin/sh
# verify prints a row a check, its JSON has the promised keys, and unknown names are refused.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "verify process" sf verify process
holds "the closing line" " checks, 0 failed" stdout
passes "verify process --json" sf verify process --json
cp stdout rows.json
if command -v python3 > /dev/null; then
	cat > schema.py <<'P'
import json, sys
rows = json.load(open(sys.argv[1]))["rows"]
assert len(rows) > 0
for r in rows:
    assert {"name", "ref", "expected", "measured", "tolerance", "pass"} <= set(r), r
    assert isinstance(r["name"], str) and isinstance(r["ref"], str) and r["ref"]
    assert r["pass"] is True or r["pass"] is False
    for k in ("expected", "measured", "tolerance"):
        assert isinstance(r[k], (int, float)), r
    assert r["pass"] == (abs(r["measured"] - r["expected"]) <= r["tolerance"]), r
P
	passes "rows have the promised keys and honest verdicts" python3 schema.py rows.json
else
	for k in rows name ref expected measured tolerance pass; do
		holds "JSON has $k" "\"$k\"" rows.json
	done
fi
sf verify process --threads 1 --json > one.json
sf verify process --threads 3 --json > three.json
same "the same numbers with 1 and 3 threads" one.json three.json
refuses 2 "did you mean 'process'" verify proces
refuses 2 "unknown check" verify process zzzzzzzz
finish
