#!/bin/sh
# demo.sh: the tour. Learns the checkerboard by local curvature smoothing and the digits with a U-Net, samples from
# both, and names the pictures at the end. Under five minutes on two cores.
#
#     SCOREFIELD  the program (default: ./scorefield, else the one installed)
#     $1          where runs and pictures go (default: demo)
#     DEMO_SHORT  1: a few steps only, to see that everything works; the pictures then show noise
#
# SPDX-License-Identifier: BSD-3-Clause
set -eu

if [ -z "${SCOREFIELD:-}" ]; then
	if [ -x ./scorefield ]; then SCOREFIELD=./scorefield; else SCOREFIELD=scorefield; fi
fi
dir=${1:-demo}
points=10000
brief_board=
brief_digits=
if [ "${DEMO_SHORT:-0}" = 1 ]; then
	points=500
	brief_board="--set train.steps=50 --set train.sample-every=0"
	brief_digits="--set train.steps=5 --set train.sample-every=0 --set sample.steps=3"
fi
mkdir -p "$dir"

echo "== 1. checkerboard: a density in the plane, learned from samples"
# shellcheck disable=SC2086
"$SCOREFIELD" train checkerboard -o "$dir/checkerboard" --force $brief_board
"$SCOREFIELD" sample "$dir/checkerboard" -n "$points" -o "$dir/checkerboard.npy"
"$SCOREFIELD" plot density "$dir/checkerboard" --samples "$dir/checkerboard.npy" -o "$dir/checkerboard-density.png" -q
"$SCOREFIELD" plot field "$dir/checkerboard" -o "$dir/checkerboard-field.png" -q

echo "== 2. digits: images of 8 x 8 pixels, one class a column"
# shellcheck disable=SC2086
"$SCOREFIELD" train digits -o "$dir/digits" --force $brief_digits
"$SCOREFIELD" sample "$dir/digits" -n 100 --cols 10 -o "$dir/digits.png"

echo
echo "Pictures:"
echo "  $dir/checkerboard-density.png  samples of the data beside samples of the model"
echo "  $dir/checkerboard-field.png    the learned score beside the exact one"
echo "  $dir/digits.png                digits that the network has drawn"
