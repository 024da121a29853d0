#!/bin/sh
# The error of a trained score: in words, as JSON and as CSV, for one checkpoint and for all; and what has no exact score.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "train on two normals" sf train tiny -q -o run --set data.spec=mixture --set train.keep=100
passes "evaluate" sf evaluate run --points 300
holds "a mean" "mean over 20 levels: error" stdout
[ "$(wc -l < stdout)" -eq 22 ] && ok "a line for each level" || not_ok "a line for each level"
passes "evaluate --quiet" sf evaluate run -n 300 -q
[ "$(wc -l < stdout)" -eq 1 ] && ok "the mean alone" || not_ok "the mean alone"

for t in 1 2 3; do
	sf evaluate run -n 300 --threads $t > t$t
	same "$t threads give the same numbers" t1 t$t
done
sf evaluate run -n 300 --seed 5 > seed
if cmp -s t1 seed; then not_ok "--seed draws other points"; else ok "--seed draws other points"; fi
sf evaluate run -n 300 --raw > raw
if cmp -s t1 raw; then not_ok "--raw differs from the average"; else ok "--raw differs from the average"; fi
sf evaluate run/checkpoint-00000200.safetensors -n 300 > file
same "a checkpoint instead of its run" t1 file

passes "CSV of the levels" sf evaluate run -n 300 --times 4 --range 0.01:10 -o levels.csv
[ "$(head -n 1 levels.csv)" = t,ratio,error,se,size ] && [ "$(wc -l < levels.csv)" -eq 5 ] && ok "four levels" ||
	not_ok "four levels"
passes "all checkpoints" sf evaluate run -n 300 --all -o steps.csv
[ "$(head -n 1 steps.csv)" = step,seconds,error,se,size ] && ok "the columns" || not_ok "the columns"
[ "$(cut -d , -f 1 steps.csv | tr '\n' ' ')" = "step 50 100 150 200 " ] && ok "rising steps" || not_ok "rising steps"
awk -F , 'NR > 1 && ($2 <= s || $2 == "") { exit 1 } NR > 1 { s = $2 }' steps.csv && ok "the clock goes forward" ||
	not_ok "the clock goes forward"
awk -F , 'NR == 2 { first = $3 } END { exit !($3 < 0.95 * first) }' steps.csv && ok "training lowers the error" ||
	not_ok "training lowers the error"
# the last line is the newest checkpoint's mean
mean=$(sf evaluate run -n 300 -q | sed 's/.*error \([^ ]*\).*/\1/')
last=$(tail -n 1 steps.csv | cut -d , -f 3)
[ "$(awk -v a="$last" 'BEGIN { printf "%.5g", a }')" = "$mean" ] && ok "the last is the newest" || not_ok "the last is the newest"

passes "JSON" sf evaluate run -n 300 --times 3 --all --json
cp stdout all.json
if command -v python3 > /dev/null; then
	cat > schema.py <<'P'
import json
j = json.load(open("all.json"))
assert j["times"] == 3 and j["points"] == 300
assert [c["step"] for c in j["checkpoints"]] == [50, 100, 150, 200]
for c in j["checkpoints"]:
    assert len(c["levels"]) == 3
    for k in ("error", "size"):
        assert abs(c[k] - sum(l[k] for l in c["levels"]) / 3) < 1e-12
P
	passes "JSON has the levels, and their means" python3 schema.py
else
	holds "JSON has the checkpoints" '"checkpoints"' all.json
fi

sf evaluate run -n 300 --smooth 0.5 > smooth
if cmp -s t1 smooth; then not_ok "--smooth changes the target"; else ok "--smooth changes the target"; fi
refuses 2 "3 numbers a sample" evaluate run --data mixture:dim=3,weights=1,means=0:0:0
refuses 2 "moons" evaluate run --data moons
refuses 2 "did you mean 'mixture'" evaluate run --data mixtur
refuses 2 "run directories" evaluate run/checkpoint-00000200.safetensors --all
refuses 1 "expected LO:HI" evaluate run --range 1
refuses 2 "0.002 to 80" evaluate run --range 0.001:1
refuses 2 "no such run" evaluate nowhere
refuses 2 "out of range" evaluate run --points 1
passes "train with velocities" sf train tiny -q -o cld --set data.spec=mixture --set train.steps=2 --set process.spec=cld \
	--set model.parametrisation=eps --set objective.spec=dsm
refuses 2 "'cld' is one of two" evaluate cld
passes "train with labels" sf train tiny -q -o labels --set data.spec=mixture --set train.steps=2 --set model.conditional=true
refuses 2 "conditional" evaluate labels
finish
