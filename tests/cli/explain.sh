#!/bin/sh
# compare: a network against models of its data: numbers, files, checkpoints, plots, and what is refused.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "train" sf train tiny -q -o run --set train.keep=100
few="--points 100 --records 400"
passes "compare" sf compare run $few
[ "$(head -n 1 stdout)" = "explained share of the score" ] && ok "says of what" || not_ok "says of what"
[ "$(wc -l < stdout)" -eq 18 ] && ok "the paper's 16 levels" || not_ok "the paper's 16 levels"
awk 'NR == 2 { exit !($1 == "sigma" && $2 == "isotropic" && $3 == "gaussian" && $4 == "mixture" && $5 == "delta" && NF == 5) }' stdout &&
	ok "the usual models" || not_ok "the usual models"
awk 'NR == 18 { for (i = 2; i <= NF; i++) if (!($i > 0.99 && $i <= 1)) exit 1 }' stdout && ok "at sigma 80 all explain it" ||
	not_ok "at sigma 80 all explain it"

for t in 1 2 3; do
	sf compare run $few --threads $t --sigma 0.1:1 > t$t
	same "$t threads give the same numbers" t1 t$t
done
[ "$(wc -l < t1)" -eq 4 ] && ok "--sigma" || not_ok "--sigma"
sf compare run $few --sigma 0.1:1 --seed 9 > seed
if cmp -s t1 seed; then not_ok "--seed draws other points"; else ok "--seed draws other points"; fi
sf compare run $few --sigma 0.1:1 --of denoised > clean
if cmp -s t1 clean; then not_ok "--of denoised"; else ok "--of denoised"; fi
sf compare run/checkpoint-00000200.safetensors $few --sigma 0.1:1 > file
same "a checkpoint instead of its run" t1 file

# Models from files are those fitted on the spot; in other values they are moved.
sf fit run -o g.safetensors --records 400 -q
sf fit moons -o raw.safetensors --records 400 -q
passes "models from files" sf compare run $few --sigma 0.1:1 --against gaussian,g.safetensors,./raw.safetensors -o files.csv
awk -F , 'NR > 1 { if ($3 != $8 || ($3 - $13) ^ 2 > 1e-16) exit 1 }' files.csv && ok "are those fitted here" || not_ok "are those fitted here"
[ "$(head -n 1 files.csv | cut -d , -f 1-4)" = '"t","sigma","gaussian","gaussian se"' ] && ok "the columns" || not_ok "the columns"

passes "levels evenly" sf compare run $few --times 3 --range 0.01:10 --json --against mean,low-rank:1
cp stdout rows.json
if command -v python3 > /dev/null; then
	cat > schema.py <<'P'
import json
j = json.load(open("rows.json"))
assert j["of"] == "score" and j["points"] == 100 and j["records"] == 400 and len(j["rows"]) == 3
for r, s in zip(j["rows"], (10 ** -1.5, 10 ** -.5, 10 ** .5)):
    assert abs(r["sigma"] / s - 1) < 1e-9
    for m in ("mean", "low-rank:1"):
        c = r["curves"][m]
        assert c["score"] <= 1 and c["denoised"] <= 1 and c["se"] >= 0 and set(c) == {"score", "se", "denoised", "denoised se", "reverse"}
P
	passes "JSON has them" python3 schema.py
else
	holds "JSON has the rows" '"rows"' rows.json
fi

passes "all checkpoints" sf compare run $few --all --against gaussian,delta -o all.csv
[ "$(cut -d , -f 1 all.csv | tr '\n' ' ')" = '"step" 50 100 150 200 ' ] && ok "rising steps" || not_ok "rising steps"
[ "$(head -n 1 all.csv | tr , '\n' | grep -c ' se"$')" -eq 12 ] && ok "a curve for each model and level" || not_ok "a curve for each model and level"
# the last is the newest
last=$(tail -n 1 all.csv | cut -d , -f 3)
now=$(sf compare run $few --sigma 0.1:0.5:2 --against gaussian --json | sed -n 's/.*"score": \([^,]*\),*/\1/p' | head -n 1)
[ "$(awk -v a="$last" -v b="$now" 'BEGIN { d = (a - b)/b; print d*d < 1e-16 }')" = 1 ] && ok "the last is the newest" || not_ok "the last is the newest"
if command -v gnuplot > /dev/null; then
	passes "plot of levels" sf compare run $few --sigma 0.1:1:10 --plot a.png -o x.csv
	passes "plot of steps" sf compare run $few --all --plot b.svg -o x.csv
	[ "$(head -c 4 a.png | tail -c 3)" = PNG ] && [ -s b.svg ] && ok "pictures" || not_ok "pictures"
fi

refuses 1 "did you mean 'gaussian'" compare run --against gausian
refuses 1 "not a list" compare run --against gaussian,,delta
refuses 1 "go together" compare run --times 3 --sigma 1
refuses 1 "go together" compare run --range 1:2
refuses 1 "expected LO:HI" compare run --times 3 --range 1
refuses 2 "noise level 100" compare run --sigma 100
refuses 2 "run directories" compare run/checkpoint-00000200.safetensors --all
refuses 2 "no such run" compare nowhere
refuses 2 "none.safetensors" compare run --against none.safetensors
refuses 2 "not a model" compare run --against run/checkpoint-00000200.safetensors
sf fit digits -o d.safetensors --kind mean -q
refuses 2 "dimension 64, the data of 2" compare run --against d.safetensors
passes "train with velocities" sf train tiny -q -o cld --set train.steps=2 --set process.spec=cld --set model.parametrisation=eps \
	--set objective.spec=dsm
refuses 2 "'cld' is not one" compare cld
passes "train with labels" sf train tiny -q -o labels --set train.steps=2 --set model.conditional=true
refuses 2 "conditional" compare labels
finish
