#!/bin/sh
# variance: numbers in CSV, JSON and a table that do not depend on threads, falling with the size of the reference batch;
# a plot; bad input is refused.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

few="--times 3 --points 16 --repeats 2 --records 200"
passes "variance tiny" sf variance tiny $few --n 1:4:200
holds "the unit is told" "sigma^2 V" stdout
holds "a curve a size" "STF 200" stdout
passes "-o" sf variance tiny $few --n 1:4:200 -o one.csv --threads 1
[ ! -s stdout ] && ok "-o leaves standard output alone" || not_ok "-o leaves standard output alone"
holds "names of the columns" '"t","alpha","sigma","DSM","DSM error","STF 1"' one.csv
[ "$(wc -l < one.csv)" -eq 4 ] && ok "a line a time" || not_ok "a line a time"
passes "with three threads" sf variance tiny $few --n 1:4:200 -o three.csv --threads 3
same "the same bytes" one.csv three.csv
# reference batches of all 200 records leave nothing; the variance of 4 is no larger than that of 1
awk -F, 'NR > 1 && ($11 > 1e-20 || $8 > $6 * (1 + 1e-12) || $6 <= 0) { bad = 1 } END { exit bad || NR != 4 }' one.csv &&
	ok "V falls with n, to 0 for the whole data set" || not_ok "V falls with n, to 0 for the whole data set"
passes "--json" sf variance tiny $few --n 2 --json
passes "--weight one" sf variance tiny $few --n 2 --weight one --json
holds "JSON has the unit" '"unit": "V"' stdout
holds "JSON has the error" '"error"' stdout

grad="--times 2 --repeats 4 --batch 16"
passes "--gradient" sf variance tiny $grad --gradient dsm --gradient lcss:weight=sigma2 --gradient stf:n=40 -o grad.csv
holds "columns of a gradient" '"dsm mean2","dsm relative"' grad.csv
# per sample the two losses differ by a constant: equal gradients
awk -F, 'NR > 1 && ($4 - $8 > 1e-4 * $4 || $8 - $4 > 1e-4 * $4) { bad = 1 } END { exit bad || NR != 3 }' grad.csv &&
	ok "one-stage LCSS has the gradient of DSM" || not_ok "one-stage LCSS has the gradient of DSM"
passes "--threads 3" sf variance tiny $grad --gradient dsm --gradient lcss:weight=sigma2 --gradient stf:n=40 \
	-o grad3.csv --threads 3
same "gradients: the same bytes" grad.csv grad3.csv
passes "train a little" sf train tiny -q -o run --set train.steps=10
passes "--weights" sf variance tiny $grad --gradient dsm --weights run -o trained.csv
if cmp -s trained.csv grad.csv; then not_ok "--weights changes the result"; else ok "--weights changes the result"; fi

if command -v gnuplot > /dev/null; then
	passes "--plot" sf variance tiny $few --n 1:4 --plot v.png -q
	for f in v.png v.dat v.gp; do [ -s $f ] && ok "$f" || not_ok "$f"; done
	passes "--plot of gradients" sf variance tiny $grad --gradient dsm --plot g.svg -q
fi

# training against a reference batch: resumed, it goes on with the same bytes
stf="--set data.spec=digits --set data.scale=pm1 --set data.flip=true --set objective.spec=stf:n=100 --set train.batch=32"
passes "train stf" sf train tiny -q -o straight $stf --set train.steps=100
passes "train half of it" sf train tiny -q -o half $stf --set train.steps=50
passes "--resume" sf train tiny -q -o half --resume --set train.steps=100
same "a resumed run ends in the same bytes" straight/checkpoint-00000100.safetensors half/checkpoint-00000100.safetensors

refuses 2 "4000 points, but the data have only 1797" variance digits --n 1:4000 -q
refuses 2 "2000 records, but the data 'digits' have only 1797" variance digits --gradient stf:n=2000 -q
refuses 2 "more than the 1797 records" variance digits --gradient stf:n=20 --batch 1800 -q
refuses 2 "must rise" variance tiny --n 4:2 -q
refuses 2 "whole numbers" variance tiny --n 1.5 -q
refuses 2 "out of range" variance tiny --n 0 -q
refuses 1 "exclude each other" variance tiny --n 3 --gradient dsm
refuses 2 "labels missing" variance tiny --gradient stf:classes=true -q
refuses 2 "did you mean 'stf'" variance tiny --gradient stff -q
refuses 2 "2 or more" variance tiny --gradient dsm --repeats 1 -q
refuses 2 "nowhere" variance tiny --gradient dsm --weights nowhere -q
refuses 2 "must end in .png or .svg" variance tiny $few --plot x.txt -q
refuses 1 "missing operand" variance
printf '[data]\nspec = moons\n[process]\nspec = cld\n[net]\nspec = mlp\n[objective]\nspec = hsm\n' > cld.ini
refuses 2 "process 'cld' is not linear with one state block" variance ./cld.ini -q
printf '[data]\nspec = moons\n[net]\nspec = mlp\n[objective]\nspec = stf:classes=true\n' > labels.ini
refuses 2 "labels missing" train ./labels.ini -o labels
printf '[data]\nspec = digits\n[net]\nspec = mlp\n[objective]\nspec = stf:n=1798\n' > large.ini
refuses 2 "1798 records, but the data 'digits' have only 1797" train ./large.ini -o large
[ ! -e labels ] && [ ! -e large ] && ok "no run directory is left" || not_ok "no run directory is left"
finish
