#!/bin/sh
# orders: every sampler is in the table, slopes are the declared orders, errors fall with the budget and do not depend on threads;
# ems and teleportation: from a trained run to samples; bad input is refused.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "orders" sf orders --samples 200 -o all.csv
[ ! -s stdout ] && ok "-o leaves standard output alone" || not_ok "-o leaves standard output alone"
holds "names of the columns" "sampler,kind,order,slope,budget,nfe,error,se" all.csv
sf list sampler > list
for s in $(sed -n 's/^  *\([a-z][a-z0-9-]*\) .*/\1/p' list); do
	[ "$s" = sscs ] && continue # position and velocity
	grep -q "^\"$s[\":]" all.csv && ok "$s is in the table" || not_ok "$s is in the table"
done
awk -F, 'NR > 1 && $2 == "ode" && $1 !~ /dpm-fast/ && ($4 - $3 > 0.15 || $3 - $4 > 0.15) { print "# " $0; bad = 1 } END { exit bad }' all.csv &&
	ok "slopes are the declared orders" || not_ok "slopes are the declared orders"
awk -F, 'NR > 1 && $2 == "ode" { if ($5 == 10) first = $7; if ($5 == 50) { n++; if (!($7 < first / 4)) { print "# " $0; bad = 1 } } }
	END { exit bad || n < 20 }' all.csv && ok "errors fall" || not_ok "errors fall"
awk -F, 'NR > 1 && $6 != "" && $6 > $5 { print "# " $0; bad = 1 } END { exit bad }' all.csv &&
	ok "budgets hold" || not_ok "budgets hold"

passes "named ones" sf orders heun "unipc:order=2,variant=bh2" --nfe 8:16 --threads 1 -o one.csv
[ "$(wc -l < one.csv)" -eq 5 ] && ok "a line for each" || not_ok "a line for each"
passes "three threads" sf orders heun "unipc:order=2,variant=bh2" --nfe 8:16 --threads 3 -o three.csv
same "the same bytes" one.csv three.csv
passes "the table" sf orders dpmpp euler-ancestral --samples 300
holds "its head" "mixture:preset=skewed, edm:sigma-min=0.1,sigma-max=10, t from 10 to 0.1, grid logsnr" stdout
holds "a weak error" "euler-ancestral" stdout
passes "--json" sf orders dpmpp --process vp --grid karras:final=last --json
holds "JSON has the slope" '"slope": ' stdout
holds "and the process" '"process": "vp"' stdout
passes "a sampler that is left out" sf orders --samples 0 --nfe 4
holds "is named with the reason" "sscs:order=1: sampler 'sscs' splits the motion" stdout
if grep -q '^ancestral' stdout; then not_ok "--samples 0 leaves noise out"; else ok "--samples 0 leaves noise out"; fi
if command -v gnuplot > /dev/null; then
	passes "--plot" sf orders heun dpmpp --nfe 5:10:20:40 --plot o.png -q
	for f in o.png o.dat o.gp; do [ -s $f ] && ok "$f" || not_ok "$f"; done
fi
refuses 2 "splits the motion" orders sscs
refuses 2 "did you mean 'heun'" orders heum
refuses 1 "rising whole numbers" orders --nfe 20:10
refuses 1 "rising whole numbers" orders --nfe 2.5
refuses 2 "for x_t = alpha x_0 + sigma z alone" orders --process cld
refuses 2 "unknown grid" orders --grid nowhere heun

# ---- statistics of a network, and runs that begin with a closed form ----
passes "train" sf train tiny -q -o run --set train.steps=60
passes "ems" sf ems run -o ems.safetensors --rows 9 --samples 40
holds "says what it did" "9 rows of 2 numbers" stdout
passes "ems in another cut" sf ems run -o again.safetensors --rows 9 --samples 40 --batch 7 --threads 1 -q
same "the same bytes" ems.safetensors again.safetensors
passes "sample with them" sf sample run -n 20 --sampler dpm-v3:stats=ems.safetensors --nfe 8 -o v3.npy
holds "eight evaluations" "8 evaluations each" stdout
refuses 1 "no output given" ems run
refuses 1 "the lower one first" ems run -o x --range 3:1
refuses 2 "out of range" ems run -o x --rows 4
refuses 2 "no such run" ems nowhere -o x
refuses 2 "cannot" sample run --sampler dpm-v3:stats=nowhere
printf 'x' > broken
refuses 2 "broken" sample run --sampler dpm-v3:stats=broken

passes "fit" sf fit run -o g.safetensors -q
passes "teleport with a file" sf sample run -n 20 --sampler heun --steps 18 --teleport 12.91 --gaussian g.safetensors --json -o a.npy
holds "what was saved" '"nfe_saved": ' stdout
passes "with a fit of the run's own data" sf sample run -n 20 --sampler heun --steps 18 --teleport 12.91 -q -o b.npy
same "which is the same" a.npy b.npy
passes "with a score" sf sample run -n 20 --sampler heun --steps 18 --teleport 1 --gaussian gaussian:std=0.5 -q -o c.npy
passes "--all-steps" sf sample run -n 20 --sampler dpmpp --nfe 6 --teleport 1 --all-steps -q -o d.npy
refuses 2 "teleportation to noise level 1e+06" sample run --teleport 1e6
refuses 2 "teleportation to noise level 1e-09" sample run --teleport 1e-9
refuses 1 "are for --teleport" sample run --gaussian g.safetensors
refuses 2 "did you mean 'gaussian'" sample run --teleport 1 --gaussian gausian
sf fit digits -o eight.safetensors -q
refuses 2 "64" sample run --teleport 1 --gaussian eight.safetensors
refuses 2 "in one dimension alone" sample run --teleport 1 --gaussian mixture:means=1:0:0:1
finish
