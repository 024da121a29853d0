#!/bin/sh
# Sampling with conditions: guidance, known parts, trajectories, every sampler at once.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "train classes" sf train tiny -q -o classes --set data.spec=gaussians --set model.conditional=true \
	--set train.label-dropout=0.2 --set train.steps=100
passes "train without dropout" sf train tiny -q -o sure --set data.spec=gaussians --set model.conditional=true \
	--set train.steps=20
passes "train without classes" sf train tiny -q -o plain --set train.steps=20
refuses 2 "label-dropout" train tiny -q -o bad --set train.label-dropout=0.2
refuses 2 "label-dropout" train tiny -q -o bad --set train.label-dropout=1.2

# Guidance
passes "--labels" sf sample classes -n 4 --seed 3 --labels 2 -o plain.npy
passes "--guidance 1" sf sample classes -n 4 --seed 3 --labels 2 --guidance 1 -o one.npy
same "is the conditional score" plain.npy one.npy
passes "--guidance 0" sf sample classes -n 4 --seed 3 --labels 2 --guidance 0 -o zero.npy
passes "--labels -1" sf sample classes -n 4 --seed 3 --labels -1 -o none.npy
same "is the score without a class" zero.npy none.npy
passes "no class is not guided" sf sample classes -n 4 --seed 3 --labels -1 --guidance 5 -o five.npy
same "the same" five.npy none.npy
passes "--guidance 3" sf sample classes -n 6 --seed 3 --guidance 3 --sampler rk45 -o all.npy
if cmp -s plain.npy all.npy; then not_ok "--guidance changes samples"; else ok "--guidance changes samples"; fi
for t in 1 3; do
	passes "one of them, $t threads" sf sample classes -n 1 --first 4 --seed 3 --guidance 3 --sampler rk45 --threads $t -o part.npy
	tail -c 16 all.npy | head -c 8 > a
	tail -c 8 part.npy > b
	same "is the same" a b
done
passes "--nfe counts both networks" sf sample classes -n 2 --guidance 3 --sampler heun:order=1 --nfe 20 --json -o x.npy
holds "20 evaluations" '"nfe": 20' stdout
holds "10 steps" '"steps": 10' stdout
refuses 2 "without classes" sample plain -n 2 --guidance 2 -o x.npy
refuses 2 "label-dropout=0" sample sure -n 2 --guidance 2 -o x.npy
passes "a weight of 1 asks for no more" sf sample sure -n 2 --guidance 1 -o x.npy
refuses 2 "is not a class" sample classes -n 2 --guidance 2 --labels 99 -o x.npy
refuses 2 "not a number" sample classes -n 2 --guidance nan -o x.npy
cp one.npy before.npy
refuses 3 "after step 1, at time" sample classes -n 2 -q --guidance 1e300 -o one.npy
same "a failed run leaves the output" one.npy before.npy
passes "labels in NPZ" sf sample classes -n 3 --labels 2:0 -o l.npz
grep -q labels.npy l.npz && ok "are there" || not_ok "are there"

# Known parts, of points and of pictures
passes "a point" sf sample plain -n 1 --seed 5 -o point.npy
passes "its halves" sf sample plain -n 1 --seed 6 -o mask.npy # any two numbers that are not 0
passes "everything known" sf sample plain -n 1 --seed 9 --inpaint point.npy --mask mask.npy -o same.npy
same "is given back" point.npy same.npy
passes "train images" sf train digits -q -o pics --set train.steps=2 --set train.batch=4 \
	--set net.spec=unet:width=8,mult=1:1,blocks=1 --set sample.steps=2 --set train.sample-every=0
passes "a picture" sf sample pics -n 1 --seed 5 -o folder/
pic=folder/00000/img00000000.png
[ -s $pic ] && ok "is there" || not_ok "is there"
[ -s folder/dataset.json ] && holds "and its class" '["00000/img00000000.png",0]' folder/dataset.json
passes "another" sf sample pics -n 1 --seed 6 -o folder6/
mask=folder6/00000/img00000000.png
passes "filled in" sf sample pics -n 3 --seed 7 --inpaint $pic --mask $mask -o filled.png
passes "the known pixels as a mask of their own" sf sample pics -n 2 --seed 8 --inpaint $pic --mask $pic -o in/
passes "a grid of two" sf sample pics -n 2 --seed 5 -o two.png
refuses 2 "the mask has the shape" sample pics -n 2 --inpaint $pic --mask two.png -o x.png
refuses 2 "the known part has the shape" sample pics -n 2 --inpaint two.png --mask $mask -o x.png
refuses 2 "the known part has the shape 1x2, the model's samples have 8x8x1" sample pics -n 2 --inpaint point.npy --mask $mask -o x.png
refuses 2 "no such" sample missing --inpaint $pic --mask $mask
refuses 2 "absent.png" sample pics --inpaint absent.png --mask $mask -o x.png
refuses 2 "ends in .png or .npy" sample pics --inpaint README --mask $mask -o x.png
refuses 1 "need each other" sample pics --inpaint $pic -o x.png
refuses 2 "chooses its own steps" sample pics -q -n 1 --sampler rk45 --inpaint $pic --mask $mask -o x.png

# Trajectories
passes "a trajectory" sf sample plain -n 3 --seed 2 --sampler euler --steps 4 --trajectory path.npy -o end.npy
sf inspect path.npy > stdout
holds "start, 4 steps and a denoising one" 6x3x2 stdout
tail -c 24 path.npy > a
tail -c 24 end.npy > b
same "ends in the samples" a b
passes "more than one chunk" sf sample plain -n 300 --seed 2 --sampler euler --steps 4 --trajectory long.npy -o many.npy
tail -c 2400 many.npy | head -c 24 > a
same "does not show" a b
passes "with times" sf sample plain -n 3 --sampler rk45 --trajectory path.npz -o end.npy
grep -q times.npy path.npz && ok "are there" || not_ok "are there"
passes "a strip" sf sample pics -n 3 --steps 5 --trajectory strip.png --cols 4 -o x.png
[ "$(head -c 4 strip.png | tail -c 3)" = PNG ] && ok "is a PNG" || not_ok "is a PNG"
refuses 2 "not images" sample plain -n 3 --trajectory path.png -o x.npy
refuses 2 "ends in .png, .npy or .npz" sample plain -n 3 --trajectory path.gif -o x.npy

# Every sampler at once
passes "--all-samplers" sf sample pics -q -n 2 --nfe 3,5 --all-samplers -o every/
for f in every/heun-nfe3.png every/heun-nfe5.png every/rk45.png; do
	[ -s $f ] && ok "$f" || not_ok "$f"
done
missing=0
for s in $(sf list sampler -q); do
	grep -q "^$s," every/samplers.csv || { missing=1; echo "# no $s"; }
done
[ $missing = 0 ] && ok "every sampler has its line" || not_ok "every sampler has its line"
holds "what could not run says why" 'splits the motion of position and velocity' every/samplers.csv
holds "evaluations are counted" 'heun,5,3,5,' every/samplers.csv
passes "the same alone" sf sample pics -n 2 --sampler heun --nfe 5 -o alone.png
same "gives the same picture" alone.png every/heun-nfe5.png
refuses 2 "exists" sample pics --all-samplers -o every/
refuses 2 "with / at its end" sample pics --all-samplers -o x.png
refuses 1 "excludes --sampler" sample pics --all-samplers --sampler em -o y/
refuses 1 "needs -o DIR/" sample pics --all-samplers
refuses 1 "need --all-samplers" sample pics --nfe 5,10 -o x.png
refuses 1 "not a whole number" sample pics --nfe 2.5 -o x.png
passes "points" sf sample classes -q -n 20 --nfe 4 --all-samplers --guidance 2 --json -o points/
holds "as JSON" '"nfe_asked": 4' stdout
finish
