#!/bin/sh
# Models fitted to data: kinds, where the data come from, the file as a score, equal bytes, and what is refused.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "a Gaussian of a data set" sf fit moons -o g.safetensors
holds "says what it is" "gaussian of 2 numbers from 10000 records, 1 component" stdout
passes "a mixture" sf fit moons -o m.safetensors --kind mixture --components 4 --records 600
holds "of as many components" "600 records, 4 components" stdout
passes "of low rank" sf fit moons -o l.safetensors --kind low-rank:1 --components 3 --records 600 --rest mean --json
holds "JSON has the rank" '"rank": 1' stdout
holds "and the components" '"components": 3' stdout
passes "inspect knows the file" sf inspect m.safetensors
holds "its tensors" basis stdout
for t in 1 2 3; do
	sf fit moons -o t$t --kind mixture:5 --records 700 --threads $t -q > quiet || not_ok "$t threads"
	[ -s quiet ] && not_ok "--quiet says nothing" || ok "--quiet says nothing"
	same "$t threads give the same file" t1 t$t
done
sf fit moons -o other --kind mixture:5 --records 700 --seed 3 -q
if cmp -s t1 other; then not_ok "--seed starts elsewhere"; else ok "--seed starts elsewhere"; fi

# A configuration's data come in the values of its network: as the same data set scaled so.
sf fit tiny -o preset -q && sf fit moons -o spec --scaling standard --std 0.5 -q
same "a preset is its data, scaled" preset spec
passes "train" sf train tiny -q -o run
sf fit run -o run.safetensors -q
same "so is a run" preset run.safetensors
passes "plot its score's field is for runs; list knows the option" sf list score mixture
holds "file" "file" stdout
passes "a preset and a data set of one name" sf fit digits -o d.safetensors --kind isotropic
holds "digits" "isotropic of 64 numbers" stdout

refuses 1 "no output given" fit moons
refuses 1 "did you mean 'mixture'" fit moons -o x --kind mixtur
refuses 1 "low-rank:RANK" fit moons -o x --kind low-rank:no
refuses 1 "a model alone" fit moons -o x --kind gaussian:3
refuses 2 "did you mean 'moons'" fit mons -o x
refuses 2 "20 components of 3 points" fit moons -o x --kind mixture:20 --records 3
refuses 2 "rank 3 in dimension 2" fit moons -o x --kind low-rank --rank 3
refuses 2 "out of range" fit moons -o x --components 0
refuses 2 "nowhere" fit moons -o nowhere/x
[ -e x ] && not_ok "and leaves nothing" || ok "and leaves nothing"
finish
