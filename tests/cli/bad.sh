#!/bin/sh
# Bad input: one clear line, status 2, and outputs that were there stay as they were.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

passes "train tiny" sf train tiny -q -o run --set train.steps=10
passes "sample" sf sample run -n 4 -o keep.npy
cp keep.npy kept

# Unknown names, with the nearest.
refuses 2 "did you mean 'digits'" train digist -o x
refuses 2 "did you mean 'checkerboard'" inspect chekerboard
refuses 2 "did you mean 'heun'" sample run --sampler huen -o keep.npy
refuses 2 "did you mean 'karras'" sample run --grid karas -o keep.npy
refuses 2 "did you mean 'edm'" train tiny -o x --set process.spec=edn
refuses 2 "did you mean 'steps'" train tiny -o x --set train.stesp=3
refuses 2 "did you mean [train]" train tiny -o x --set trian.steps=3
refuses 2 "did you mean 'moons'" data moon
refuses 2 "did you mean 'noise'" data moons:noize=1
refuses 2 "did you mean 'density'" plot densty run

# Values out of range or of the wrong kind.
refuses 2 "out of range" sample run -n 0 -o keep.npy
refuses 2 "out of range" sample run --threads 0 -o keep.npy
refuses 2 "whole number" sample run -n many -o keep.npy
refuses 2 "out of range" train tiny -o x --set train.batch=0
refuses 2 "not a number" train tiny -o x --set train.lr=fast
refuses 2 "out of range" train tiny -o x --set process.spec=vp:beta-max=-1
refuses 2 "not float32|float64" train tiny -o x --set model.precision=half
refuses 2 "not config|single|double" train tiny -o x --precision half
refuses 2 "train.steps" train tiny -o x --set train.steps
[ -e x ] && not_ok "a refused run leaves nothing" || ok "a refused run leaves nothing"

# Configuration files.
printf '[train]\nstepz = 3\n' > bad.ini
refuses 2 "bad.ini:2" train ./bad.ini -o x
printf '[trane]\nsteps = 3\n' > bad.ini
refuses 2 "bad.ini:2" train ./bad.ini -o x
printf 'this is no configuration\n' > bad.ini
refuses 2 "bad.ini:1" train ./bad.ini -o x
refuses 2 "nothere.ini" train ./nothere.ini -o x

# Files of data: truncated, of another kind, sizes that lie, mixed and empty folders.
images=$SCOREFIELD_DATA/digits-images-idx3-ubyte.gz
head -c 300 "$images" > cut.gz
refuses 2 "cut.gz" data idx:images=cut.gz
gzip -dc "$images" > plain.idx
head -c 1000 plain.idx > cut.idx
refuses 2 "cut.idx" data idx:images=cut.idx
printf 'hello, this is text' > text.idx
refuses 2 "text.idx" data idx:images=text.idx
printf '\0\0\010\003\177\377\377\377\177\377\377\377\177\377\377\377' > huge.idx
refuses 2 "huge.idx" data idx:images=huge.idx
head -c 100 keep.npy > cut.npy
refuses 2 "cut.npy" inspect cut.npy
refuses 2 "cut.npy" data npy:path=cut.npy
printf 'not an array at all' > text.npy
refuses 2 "text.npy" inspect text.npy
printf "\223NUMPY\001\000v\000{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }%52s\n" ' ' > huge.npy
refuses 2 "huge.npy" inspect huge.npy
mkdir empty mixed
refuses 2 "empty" data png:path=empty
passes "pictures to mix" sf data digits -o mixed/a.png
passes "pictures to mix" sf data digits -o mixed/b.png --zoom 2
refuses 2 "mixed/b.png" data png:path=mixed
mkdir cut
head -c 60 mixed/a.png > cut/a.png
refuses 2 "cut/a.png" data png:path=cut
printf 'no picture' > cut/a.png
refuses 2 "cut/a.png" data png:path=cut
refuses 2 "cut/a.png" inspect cut/a.png
refuses 2 "nowhere" data png:path=nowhere

# Checkpoints.
ckpt=run/checkpoint-00000010.safetensors
mkdir other
cp run/config.ini other/config.ini
head -c 500 $ckpt > other/cut.safetensors
refuses 2 "cut.safetensors" sample other/cut.safetensors -o keep.npy
printf 'safetensors? no, not at all' > other/text.safetensors
refuses 2 "text.safetensors" sample other/text.safetensors -o keep.npy
printf '\377\377\377\377\377\377\377\177{}' > other/huge.safetensors
refuses 2 "huge.safetensors" inspect other/huge.safetensors
sed 's/^spec *= *mlp.*/spec = mlp:width=16,depth=2/' run/config.ini > other/config.ini
cp $ckpt other/checkpoint-00000010.safetensors
refuses 2 "other/checkpoint-00000010.safetensors" sample other -o keep.npy
refuses 2 "no such run" sample nowhere -o keep.npy
refuses 2 "checkpoint" sample empty -o keep.npy
refuses 2 "exists" train tiny -o run
refuses 2 "exists" train tiny -o empty
same "the output that was there is untouched" keep.npy kept

# Outputs that cannot be written.
refuses 2 "ends in .png" sample run -o samples.txt
refuses 2 "nodir/x.npy" sample run -n 2 -o nodir/x.npy
refuses 2 "kept/run" train tiny -o kept/run
if [ -w /dev/full ] && [ -c /dev/full ]; then
	for c in "--help" "--version" "list" "list --json" "verify process --json" "data moons" "inspect tiny"; do
		"$SCOREFIELD" $c > /dev/full 2> stderr
		status=$?
		if [ $status -eq 2 ] && grep -qx 'scorefield: cannot write standard output: No space left on device' stderr
		then ok "$c to /dev/full"; else not_ok "$c to /dev/full: status $status"; fi
	done
fi
if [ "$(id -u)" -ne 0 ]; then
	mkdir closed
	chmod 500 closed
	refuses 2 "closed/x.npy" sample run -n 2 -o closed/x.npy
	refuses 2 "closed/run" train tiny -o closed/run
	chmod 700 closed
fi
finish
