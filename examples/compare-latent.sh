#!/bin/sh
# compare-latent.sh: a score model of pixels beside score models of latents, at the same training time.
#
#     compare-latent.sh [-t SECONDS] [-n SAMPLES] [-l RECORDS] [-q] [digits|fashion-mnist] [DIR]
#
#     -t SECONDS   training time of each model (120 for digits, 1200 for fashion-mnist)
#     -n SAMPLES   samples of each distance (1000)      -l RECORDS  records of each likelihood (128)
#     -q           quick: a few steps, to see that everything works
#     DIR          where runs, numbers and pictures go (compare-latent-DATA); runs that are there already are used as they are
#
# pixel: DDPM++ under VP, noise estimate, on the pixels. lsgm and cld-lsgm: presets lsgm-DATA and cld-lsgm-DATA; two fifths of the time
# for the autoencoder alone, the rest for both. All unconditional, with the first average of the weights. Training stops by the clock, so
# that the numbers differ from machine to machine; seconds are of the wall.
# Writes DIR/table.md and DIR/MODEL-SAMPLER-NFE.png. Distances are those of scorefield distance, to records that are not trained on
# where the data have any; the last line is the data's own.
#
#     SCOREFIELD  the program (default: ./scorefield, else the one installed)
#
# SPDX-License-Identifier: BSD-3-Clause
set -eu
LC_ALL=C
export LC_ALL

seconds='' samples=1000 records=128 quick=''
usage() {
	sed -n '2,9s/^# \{0,1\}//p' "$0"
}
while getopts t:n:l:qh option; do
	case $option in
	t) seconds=$OPTARG ;;
	n) samples=$OPTARG ;;
	l) records=$OPTARG ;;
	q) quick=yes ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 1 ;;
	esac
done
shift $((OPTIND - 1))
data=${1:-fashion-mnist}
case $data in
digits) seconds=${seconds:-120} test=digits pixel="--set net.spec=ddpmpp:width=32,mult=1:2,blocks=1,attn=4,dropout=0" ;;
fashion-mnist) seconds=${seconds:-1200} test=fashion-mnist:split=test pixel="--set net.spec=ddpmpp:width=32,mult=1:2:2,blocks=1,attn=7,dropout=0" ;;
*) echo "compare-latent.sh: '$data' is neither digits nor fashion-mnist" >&2; exit 1 ;;
esac
for n in "$seconds" "$samples" "$records"; do
	case $n in
	'' | *[!0-9]* | 0*) echo "compare-latent.sh: '$n' is not a number above 0" >&2; exit 1 ;;
	esac
done
dir=${2:-compare-latent-$data}
if [ -z "${SCOREFIELD:-}" ]; then
	if [ -x ./scorefield ]; then SCOREFIELD=./scorefield; else SCOREFIELD=scorefield; fi
fi
mkdir -p "$dir"
nfes="10 20 50" steps=1000000000 elbo=128
if [ $quick ]; then
	seconds=600 steps=6 samples=20 records=4 nfes=10 elbo=8
fi

# train RUN SECONDS PRESET SETTING...: until the time is over, into RUN.part and then RUN
train() {
	run=$1 time=$2
	shift 2
	if [ -d "$run" ]; then return; fi
	echo "== $run: $time s" >&2
	"$SCOREFIELD" train "$@" -q -o "$run.part" --force --set train.steps=$steps --set train.sample-every=0 --set train.events=false \
		--set train.checkpoint-every=0 --set model.conditional=false &
	pid=$!
	# in a group of its own sleep would not outlive what it waits for
	( i=0; while [ $i -lt "$time" ] && kill -0 $pid 2> /dev/null; do sleep 1; i=$((i + 1)); done; kill -TERM $pid 2> /dev/null || : ) &
	clock=$!
	status=0
	wait $pid || status=$?
	wait $clock || :
	case $status in
	0 | 4) mv "$run.part" "$run" ;; # done, or stopped with a checkpoint
	*) exit $status ;;
	esac
}
# shellcheck disable=SC2086
train "$dir/pixel" "$seconds" "$data" --set process.spec=vp --set model.parametrisation=eps --set objective.spec=dsm:t=uniform $pixel \
	--set sample.sampler=dpmpp --set sample.grid=
for name in lsgm cld-lsgm; do
	train "$dir/$name-vae" $((seconds * 2 / 5)) $name-"$data" --set vae.pretrain=$steps
	train "$dir/$name" $((seconds * 3 / 5)) $name-"$data" --set vae.from="$dir/$name-vae" --set vae.pretrain=0 --set vae.kl-steps=0
done

# number KEY: its value in JSON on standard input
number() {
	sed -n 's/.*"'"$1"'": *\([-+0-9.eE]*\).*/\1/p' | head -n 1
}
{
	echo "| model | parameters | steps | nll, bits a dimension | by the ODE |"
	echo "| --- | ---: | ---: | ---: | ---: |"
} > "$dir/table.md"
: > "$dir/bits"
for name in pixel lsgm cld-lsgm; do
	run=$dir/$name
	echo "== $name: likelihoods" >&2
	"$SCOREFIELD" likelihood "$run" --data $test -n "$records" --bound elbo --times $elbo --json > "$run/elbo.json"
	bits=$(number bits_per_dim < "$run/elbo.json")
	"$SCOREFIELD" likelihood "$run" --data $test -n "$records" --trace hutchinson --solver rk45:rtol=1e-4,atol=1e-4 --json > "$run/flow.json"
	flow=$(number bits_per_dim < "$run/flow.json")
	"$SCOREFIELD" inspect "$run" > "$run/tensors"
	count=$(awk '$1 ~ /^ema\./ { n = 1; k = split($3, d, "x"); for (i = 1; i <= k; i++) n *= d[i] + 0 ? d[i] : 1; all += n } END { print all }' "$run/tensors")
	step=$(awk '$1 == "step" { print $2; exit }' "$run/tensors")
	echo "$name $bits" >> "$dir/bits"
	echo "$name $count $step $bits $(number bits_se < "$run/elbo.json") $flow" |
		awk '{ printf "| %s | %d | %d | <= %.4f +- %.2g | <= %.4f |\n", $1, $2, $3, $4, $5, $6 }' >> "$dir/table.md"
done

{
	echo
	echo "| model | sampler | NFE | sliced W2 | FD values | FD features | seconds |"
	echo "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
} >> "$dir/table.md"
: > "$dir/distances"
draw() { # MODEL SAMPLER NFE OPTION...
	name=$1 sampler=$2 nfe=$3
	shift 3
	file=$dir/$name-$(echo "$sampler" | tr ':=,' '---')-$nfe
	"$SCOREFIELD" sample "$dir/$name" -n "$samples" --sampler "$sampler" -o "$file.npy" --json "$@" > "$file.json"
	"$SCOREFIELD" sample "$dir/$name" -q -n 64 --sampler "$sampler" -o "$file.png" "$@"
	"$SCOREFIELD" distance "$file.npy" $test --json > "$file.distance.json"
	tr '\n' ' ' < "$file.distance.json" | sed 's/"floor".*//' > "$file.flat"
	row="$(number sliced < "$file.flat") $(number frechet < "$file.flat") $(number features < "$file.flat")"
	echo "$name $sampler $nfe $row" >> "$dir/distances"
	echo "$name $sampler $(number nfe < "$file.json") $row $(number seconds < "$file.json")" |
		awk '{ printf "| %s | `%s` | %g | %.4g | %.4g | %.4g | %.3g |\n", $1, $2, $3, $4, $5, $6, $7 }' >> "$dir/table.md"
	rm -f "$file.flat"
}
for nfe in $nfes; do
	echo "== samples at $nfe evaluations" >&2
	for name in pixel lsgm; do
		draw $name dpmpp "$nfe" --nfe "$nfe"
		draw $name ancestral "$nfe" --nfe "$nfe"
	done
	draw cld-lsgm sscs "$nfe" --nfe "$nfe" --grid quadratic
	draw cld-lsgm em:eta=0 "$nfe" --nfe "$nfe" --grid quadratic
done
for name in pixel lsgm cld-lsgm; do
	draw $name rk45:rtol=1e-3,atol=1e-3 any
done
tr '\n' ' ' < "$file.distance.json" | sed 's/.*"floor"//' > "$dir/floor"
echo "$(number sliced < "$dir/floor") $(number frechet < "$dir/floor") $(number features < "$dir/floor")" |
	awk '{ printf "| data | | | %.4g | %.4g | %.4g | |\n", $1, $2, $3 }' >> "$dir/table.md"

# who wins: the least of each
{
	echo
	sort -g -k 2 "$dir/bits" | awk 'NR == 1 { printf "Likelihood: %s (%.4g bits a dimension at most)\n", $1, $2 }'
	for nfe in $nfes any; do
		for k in 4 6; do
			awk -v nfe="$nfe" -v k=$k '$3 == nfe' "$dir/distances" | sort -g -k $k | awk -v nfe="$nfe" -v k=$k 'NR == 1 {
				printf "%s, %s: %s by `%s` (%.4g)\n", k == 4 ? "sliced W2" : "FD features", nfe == "any" ? "adaptive" : nfe " evaluations",
				$1, $2, $k }'
		done
	done | sort | sed 's/^/- /'
} >> "$dir/table.md"
cat "$dir/table.md"
