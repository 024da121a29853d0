#!/bin/sh
# Sampling: same bytes for any number of threads and any part of a run; every kind of output.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "train tiny" sf train tiny -q -o run --set train.steps=50
for t in 1 2 3; do
	passes "sample with $t threads" sf sample run -n 16 --seed 3 --threads $t -o t$t.npy
	same "$t threads give the same file" t1.npy t$t.npy
done
passes "another seed" sf sample run -n 16 --seed 4 -o seed.npy
if cmp -s t1.npy seed.npy; then not_ok "--seed changes samples"; else ok "--seed changes samples"; fi

# A part of a run has the numbers of the whole: the last 4 of 16 samples of 2 floats are its last 32 bytes.
passes "a part" sf sample run -n 4 --first 12 --seed 3 -o part.npy
tail -c 32 t1.npy > a
tail -c 32 part.npy > b
same "samples 12 to 15 do not depend on -n" a b

passes "more than one chunk" sf sample run -n 300 --seed 3 -o many.npy
tail -c 2400 many.npy | head -c 128 > a
tail -c 128 t1.npy > b
same "sample 0 to 15 of 300" a b

for s in em euler heun rk45; do
	passes "--sampler $s" sf sample run -n 4 --sampler $s -o s.npy
done
passes "--sampler with options and --nfe" sf sample --sampler heun:order=1 --nfe 7 run -n 4 -o s.npy --json
holds "the evaluations are counted" '"nfe": 7' stdout
passes "--grid and --steps" sf sample run -n 4 --grid karras:rho=3 --steps 5 -o s.npy
passes "--raw" sf sample run -n 16 --seed 3 --raw -o raw.npy
if cmp -s raw.npy t1.npy; then not_ok "--raw differs from the average"; else ok "--raw differs from the average"; fi
passes "a checkpoint instead of a run" sf sample run/checkpoint-00000050.safetensors -n 16 --seed 3 -o c.npy
same "gives the same" c.npy t1.npy
passes "a picture of points" sf sample run -n 50 -o points.png
[ "$(head -c 4 points.png | tail -c 3)" = PNG ] && ok "is a PNG" || not_ok "is a PNG"
passes "NPZ" sf sample run -n 4 -o x.npz
passes "inspect a run" sf inspect run
holds "its tensors" "param." stdout
passes "inspect NPY" sf inspect t1.npy
holds "its shape" "16x2" stdout
passes "default output" sf sample run -n 8
[ -s run/samples.png ] && ok "run/samples.png" || not_ok "run/samples.png"

# Images with classes.
passes "train images" sf train digits -q -o pics --set train.steps=2 --set train.batch=4 \
	--set net.spec=unet:width=8,mult=1:1,blocks=1 --set sample.steps=2 --set train.sample-every=0
passes "grid" sf sample pics -n 10 --cols 5 -o grid.png
passes "folder" sf sample pics -n 3 -o folder/
[ -s folder/00000/img00000002.png ] && ok "one PNG an image" || not_ok "one PNG an image"
refuses 2 "exists" sample pics -n 3 -o folder/
passes "folder with --force" sf sample pics -n 3 -o folder/ --force
passes "bytes" sf sample pics -n 3 -o pics.npz
for t in 1 2 3; do
	passes "images with $t threads" sf sample pics -n 5 --seed 3 --threads $t -o p$t.npy
	same "$t threads give the same images" p1.npy p$t.npy
done
passes "labels" sf sample pics -n 4 --labels 3:7 -o l.npy
refuses 2 "is not a class" sample pics -n 4 --labels 10 -o l.npy
refuses 2 "without classes" sample run -n 4 --labels 1 -o l.npy
# A sampler that packs the samples under way keeps each one's class.
passes "train classes" sf train tiny -q -o classes --set data.spec=gaussians --set model.conditional=true \
	--set train.steps=100
passes "rk45 with classes" sf sample classes -n 8 --sampler rk45 -o all.npy
passes "one of them" sf sample classes -n 1 --first 6 --sampler rk45 -o one.npy
tail -c 16 all.npy | head -c 8 > a
tail -c 8 one.npy > b
same "sample 6 keeps its class" a b
passes "plot grid" sf plot grid p1.npy -o g.png --zoom 3
passes "plot density" sf plot density run -n 200
passes "plot density of a file" sf plot density run --samples t1.npy -o d.png
passes "plot field" sf plot field run
passes "plot trajectories" sf plot trajectories run -n 10
passes "plot trajectories of images" sf plot trajectories pics -n 2
refuses 2 "2 coordinates" plot density pics
if command -v gnuplot > /dev/null; then
	passes "plot loss" sf plot loss run
	passes "plot schedule" sf plot schedule vp:beta-max=10 -o schedule.png
	[ -s schedule.png ] && [ -s schedule.dat ] && [ -s schedule.gp ] && ok "curves and their data" ||
		not_ok "curves and their data"
else
	refuses 2 "gnuplot is not installed" plot loss run
fi
finish
