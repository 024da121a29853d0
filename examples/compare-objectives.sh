#!/bin/sh
# compare-objectives.sh: the score-matching objectives side by side, with the exact score known.
#
#     compare-objectives.sh [-s STEPS] [-m STEPS] [-r SEEDS] [-j JOBS] [-q] [DIR]
#
#     -s STEPS   updates on the checkerboard (4000)          -j JOBS   runs at a time, one thread each (2)
#     -m STEPS   updates on the mixtures (3000)              -q        quick: a few steps, to see that everything works
#     -r SEEDS   runs of each objective on the checkerboard, with seeds 0, 1, ... (2)
#     DIR        where runs, numbers and pictures go (compare)
#
# 1. Checkerboard: the same network, noise levels, weighting and number of steps for each objective (preset objectives).
# 2. Eight Gaussians in 2, 16 and 64 dimensions (preset objectives-mixture); the exact trace of ism costs d derivatives, so that in d
#    dimensions it gets 4/d of the steps.
# 3. Variance of the gradient's estimate at each noise level.
# 4. The checkerboard without noise, which implicit score matching cannot learn.
# Writes DIR/table.md and, where gnuplot is installed, DIR/objectives.png and DIR/objectives-dimension.png. Errors and losses are the
# same bytes on every run; seconds are seconds of one core, user and system, spread evenly over a run's steps.
#
#     SCOREFIELD  the program (default: ./scorefield, else the one installed)
#
# SPDX-License-Identifier: BSD-3-Clause
set -eu
LC_ALL=C
export LC_ALL

steps=4000 mixture=3000 seeds=2 jobs=2 points=1000 samples=4000 repeats=64 parts=12 width="" dims="2 16 64"
usage() {
	sed -n '2,9s/^# \{0,1\}//p' "$0"
}
while getopts s:m:r:j:qh option; do
	case $option in
	s) steps=$OPTARG ;;
	m) mixture=$OPTARG ;;
	r) seeds=$OPTARG ;;
	j) jobs=$OPTARG ;;
	q) steps=12 mixture=12 parts=3 seeds=1 points=50 samples=100 repeats=8 dims="2 16" width="--set net.spec=mlp:width=8,depth=1 --set train.batch=16" ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 1 ;;
	esac
done
shift $((OPTIND - 1))
for n in "$steps" "$mixture" "$seeds" "$jobs"; do
	case $n in
	'' | *[!0-9]* | 0*) echo "compare-objectives.sh: '$n' is not a number above 0" >&2; exit 1 ;;
	esac
done
if [ "$steps" -lt $((2 * parts)) ] || [ "$mixture" -lt $((2 * parts)) ]; then
	echo "compare-objectives.sh: at least $((2 * parts)) steps, for the points of a curve" >&2
	exit 1
fi
dir=${1:-compare}
if [ -z "${SCOREFIELD:-}" ]; then
	if [ -x ./scorefield ]; then SCOREFIELD=./scorefield; else SCOREFIELD=scorefield; fi
fi
mkdir -p "$dir"

# names, and their specs. lcss has one noise, lcss-two a second one of rho sigma, and lcss-base is lcss-two with the norm taken at
# the point before that second noise.
board="ism ssm ssm-vr fd-ssm fd-ssm-vr dsm stf lcss lcss-two lcss-base"
modes="ism ssm ssm-vr fd-ssm fd-ssm-vr dsm stf lcss"
rho=0.5
spec() {
	case $1 in
	lcss-two) echo "lcss:stage=two,rho=$rho,t=lognormal" ;;
	lcss-base) echo "lcss:stage=two,rho=$rho,norm-at=base,t=lognormal" ;;
	*) echo "$1:t=lognormal" ;;
	esac
}

# train RUN STEPS PRESET NAME SETTING...: trains on one thread; RUN/seconds gets the seconds of one core, RUN/error.csv the error of
# $parts checkpoints
train() {
	run=$1 total=$2 preset=$3 name=$4
	shift 4
	# the clock of a subshell and what it ran
	(
		# shellcheck disable=SC2086
		"$SCOREFIELD" train "$preset" -q -o "$run" --force --threads 1 --set train.steps="$total" \
			--set train.checkpoint-every=$((total / parts)) --set train.log-every=$((total / parts / 2)) \
			--set objective.spec="$(spec "$name")" $width "$@" && times > "$run/times"
	)
	awk 'NR == 2 { n = split($0, t, /[ms ]+/); print 60 * t[1] + t[2] + 60 * t[3] + t[4] }' "$run/times" > "$run/seconds"
	"$SCOREFIELD" evaluate "$run" --all --threads 1 -n $points -o "$run/error.csv" --json > "$run/error.json"
}

# begin FUNCTION ARGUMENT...: in the background, at most $jobs at a time
running=
begin() {
	"$@" &
	running="$running $!"
	# shellcheck disable=SC2086
	set -- $running
	if [ $# -ge "$jobs" ]; then finish; fi
}
finish() {
	for pid in $running; do wait "$pid"; done
	running=
}

# curves RUNS...: step, seconds and mean error over the runs; likewise the loss
error_curve() {
	for run; do
		awk -v total="$(cat "$run/seconds")" -F , 'NR > 1 { s[++n] = $1; e[n] = $3 }
			END { for (i = 1; i <= n; i++) print s[i], total * s[i] / s[n], e[i] }' "$run/error.csv"
	done | awk '{ n[$1]++; t[$1] += $2; e[$1] += $3 } END { for (s in n) print s, t[s] / n[s], e[s] / n[s] }' | sort -n
}
loss_curve() {
	for run; do
		sed 's/[{},:]/ /g' "$run/log.jsonl" | awk -v total="$(cat "$run/seconds")" \
			-v steps="$(tail -n 1 "$run/error.csv" | cut -d , -f 1)" '{ print $2, total * $2 / steps, $6 }'
	done | awk '{ n[$1]++; t[$1] += $2; e[$1] += $3 } END { for (s in n) print s, t[s] / n[s], e[s] / n[s] }' | sort -n
}

runs_of() { # NAME
	k=0
	while [ $k -lt "$seeds" ]; do
		echo "$dir/board-$1-$k"
		k=$((k + 1))
	done
}

echo "== 1. checkerboard: $steps steps, $seeds seeds" >&2
for name in $board; do
	k=0
	while [ $k -lt "$seeds" ]; do
		begin train "$dir/board-$name-$k" "$steps" objectives "$name" --seed $k
		k=$((k + 1))
	done
done
finish

{
	echo "| objective | ms a step | loss + d/2 | error | least, most | not learned | on the board |"
	echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
} > "$dir/table.md"
for name in $board; do
	# shellcheck disable=SC2046
	error_curve $(runs_of "$name") > "$dir/board-$name.error"
	# shellcheck disable=SC2046
	loss_curve $(runs_of "$name") > "$dir/board-$name.loss"
	"$SCOREFIELD" sample "$dir/board-$name-0" -n $samples -q -o "$dir/board-$name.npy"
	# 32-bit numbers after a header of 128 bytes; even and even, or odd and odd, squares belong to the board
	on=$(od -A n -v -t f4 -j 128 "$dir/board-$name.npy" | tr -s ' ' '\n' | awk 'NF { v[n++ % 2] = $1; if (n % 2 == 0) {
		all++; if (v[0] > -4 && v[0] < 4 && v[1] > -4 && v[1] < 4 && (int(v[0] / 2 + 4) + int(v[1] / 2 + 4)) % 2 == 0) on++ } }
		END { printf "%.1f", 100 * on / all }')
	case $name in dsm | stf) shift=0 ;; *) shift=1 ;; esac
	for run in $(runs_of "$name"); do
		echo "$(cat "$run/seconds") $(tail -n 1 "$run/error.csv" | cut -d , -f 3,5 | tr , ' ')"
	done | awk -v name="$name" -v on="$on" -v steps="$steps" -v shift=$shift -v last="$(tail -n 5 "$dir/board-$name.loss" |
		awk '{ s += $3 } END { print s / NR }')" '
		{ t += $1; e += $2; size += $3; if (NR == 1 || $2 < lo) lo = $2; if (NR == 1 || $2 > hi) hi = $2 }
		END { printf "| `%s` | %.2f | %.4f | %.5f | %.5f, %.5f | %.2f %% | %.1f %% |\n", name, 1000 * t / NR / steps, last + shift,
			e / NR, lo, hi, 100 * e / size, on }' >> "$dir/table.md"
done
{
	echo
	echo "| two noises | error | to the score with both noises |"
	echo "| --- | ---: | ---: |"
	for name in lcss-two lcss-base; do
		for run in $(runs_of $name); do
			echo "$(tail -n 1 "$run/error.csv" | cut -d , -f 3)" "$("$SCOREFIELD" evaluate "$run" -q -n $points --smooth $rho --threads 1 |
				sed 's/.*error \([^ ]*\).*/\1/')"
		done | awk -v name=$name '{ a += $1; b += $2 } END { printf "| `%s` | %.5f | %.5f |\n", name, a / NR, b / NR }'
	done
} >> "$dir/table.md"

echo "== 2. eight Gaussians in $dims dimensions: $mixture steps" >&2
for d in $dims; do
	for name in $modes; do
		case $name-$d in
		ism-2) n=$mixture ;;
		ism-*) n=$((mixture * 4 / d > 2 * parts ? mixture * 4 / d : 2 * parts)) ;;
		*) n=$mixture ;;
		esac
		begin train "$dir/modes-$d-$name" "$n" objectives-mixture "$name" --set data.spec=gaussians:dim="$d" --set train.batch=128
	done
done
finish
{
	echo
	printf '| objective |'
	for d in $dims; do printf ' d = %s: steps | seconds | error |' "$d"; done
	printf '\n| --- |'
	for d in $dims; do printf ' ---: | ---: | ---: |'; done
	echo
	for name in $modes; do
		printf '| `%s` |' "$name"
		for d in $dims; do
			error_curve "$dir/modes-$d-$name" > "$dir/modes-$d-$name.error"
			tail -n 1 "$dir/modes-$d-$name.error" | awk '{ printf " %d | %.1f | %.5f |", $1, $2, $3 }'
		done
		echo
	done
} >> "$dir/table.md"

# variances: tr Cov of a batch's gradient at twelve noise levels, at the weights that dsm ended with
variance() { # RUN FILE REPEATS NAME...: columns sigma and one for each name
	run=$1 file=$2 repeats=$3
	shift 3
	for name; do
		set -- "$@" --gradient "$(spec "$name")"
		shift
	done
	"$SCOREFIELD" variance "$run/config.ini" -q --weights "$run" --threads 1 --times 12 --repeats "$repeats" "$@" -o "$file.csv"
	awk -F , 'NR > 1 { printf "%s", $3; for (i = 4; i <= NF; i += 4) printf " %s", $i; print "" }' "$file.csv" > "$file"
}
echo "== 3. variance of the gradient" >&2
last=${dims##* }
# shellcheck disable=SC2086
begin variance "$dir/board-dsm-0" "$dir/variance-board" $repeats $board
# shellcheck disable=SC2086
begin variance "$dir/modes-$last-dsm" "$dir/variance-modes" $((repeats / 4)) $modes
finish
ratios() { # FILE NAME...: a line for each name, the variance as a multiple of dsm's at the least, a middle and the largest noise level
	file=$1
	shift
	awk -v names="$*" 'BEGIN { n = split(names, name, " "); for (i = 1; i <= n; i++) if (name[i] == "dsm") dsm = i }
		NR == 1 || NR == 6 || NR == 12 { for (i = 1; i <= n; i++) line[i] = line[i] sprintf(" %.3g |", $(i + 1) / $(dsm + 1)) }
		END { for (i = 1; i <= n; i++) print name[i], line[i] }' "$file"
}
{
	echo
	printf '| variance, dsm = 1 |'
	for where in "board:" "d = $last:"; do
		awk -v where="$where" 'NR == 1 || NR == 6 || NR == 12 { printf " %s sigma = %.2g |", where, $1 }' "$dir/variance-board"
	done
	printf '\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n'
	# shellcheck disable=SC2086
	ratios "$dir/variance-modes" $modes > "$dir/variance-modes.ratios"
	# shellcheck disable=SC2086
	ratios "$dir/variance-board" $board | while read -r name line; do
		awk -v name="$name" -v line="$line" 'BEGIN { w = " | | |" } $1 == name { w = $0; sub(/^[^ ]* */, " ", w) }
			END { printf "| `%s` | %s%s\n", name, line, w }' "$dir/variance-modes.ratios"
	done
} >> "$dir/table.md"

# without noise the board has edges, at which implicit score matching has no least value
echo "== 4. ism without noise" >&2
# shellcheck disable=SC2086
"$SCOREFIELD" train objectives -q -o "$dir/still" --force --set train.steps="$steps" --set train.log-every=$((steps / 4)) \
	--set process.spec=static --set model.parametrisation=score --set objective.spec=ism $width --seed 0
{
	echo
	printf '| no noise | mean loss of the first quarter of the steps | second | third | last |\n| --- | ---: | ---: | ---: | ---: |\n'
	# shellcheck disable=SC2016
	printf '| `ism` |'
	sed 's/[{},:]/ /g' "$dir/still/log.jsonl" | awk '{ printf " %.4g |", $6 } END { print "" }'
} >> "$dir/table.md"
cat "$dir/table.md"

command -v gnuplot > /dev/null || { echo "gnuplot is not installed; the curves are in $dir" >&2; exit 0; }
# shellcheck disable=SC2016
style='set terminal pngcairo size 1200,1180 font ",9"
array colour[10] = ["#000000", "#d62728", "#ff9896", "#ff7f0e", "#bcbd22", "#1f77b4", "#2ca02c", "#17becf", "#9467bd", "#e377c2"]
array dash[10] = [1, 1, 1, 1, 1, 1, 1, 2, 1, 2]
set grid lc "#dddddd"
set tics nomirror
unset key
set key noenhanced'
ticks="0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5"
cat > "$dir/objectives.gp" <<G
$style
names = "$board"
file(i, what) = "$dir/board-".word(names, i).what
shift(i) = word(names, i) eq "stf" ? NaN : word(names, i) eq "dsm" ? 0 : 1 # stf has an axis of its own
set output "$dir/objectives.png"
set multiplot
set size 0.5,0.3
unset key
set ylabel "training loss + d/2 (dsm: loss)"
set y2label "training loss of stf"
set y2tics
set xlabel "step"
set origin 0,0.7
plot for [i=1:10] file(i, ".loss") using 1:(\$3+shift(i)) axes x1y1 with lines lc rgb colour[i] dt dash[i], \
	file(7, ".loss") using 1:3 axes x1y2 with lines lc rgb colour[7]
set xlabel "seconds of one core"
set origin 0.5,0.7
plot for [i=1:10] file(i, ".loss") using 2:(\$3+shift(i)) axes x1y1 with lines lc rgb colour[i] dt dash[i], \
	file(7, ".loss") using 2:3 axes x1y2 with lines lc rgb colour[7]
unset y2label
unset y2tics
set ylabel "weighted score error"
set autoscale yfix
set logscale y
set format y "%g"
set offsets graph 0, 0, graph 0.03, graph 0.03
set ytics ($ticks)
set xlabel "step"
set origin 0,0.4
plot for [i=1:10] file(i, ".error") using 1:3 with linespoints pt 7 ps 0.4 lc rgb colour[i] dt dash[i]
set xlabel "seconds of one core"
set origin 0.5,0.4
plot for [i=1:10] file(i, ".error") using 2:3 with linespoints pt 7 ps 0.4 lc rgb colour[i] dt dash[i]
unset logscale
set offsets
unset grid
unset xlabel
unset ylabel
unset tics
set margins 0,0,0,0
set xrange [-5:5]
set yrange [-5:5]
do for [k=0:7] {
	set object k+1 rectangle from 2*(k/2)-4,4*(k%2)-4+2*((k/2)%2) rto 2,2 fs solid noborder fc rgb "#dddddd" behind
}
do for [i=1:10] {
	set size 0.155,0.158
	set origin 0.005+0.165*((i-1)%6),(i<=6 ? 0.205 : 0.01)
	set title word(names, i) noenhanced offset 0,-0.5
	plot file(i, ".npy") binary skip=128 record=$samples format="%float32%float32" using 1:2 with dots lc rgb "#103060"
}
unset title
do for [k=0:7] { unset object k+1 }
unset border
set size 0.3,0.17
set origin 0.67,0.01
set key center center maxrows 5
set xrange [0:1]
set yrange [0:1]
plot for [i=1:10] NaN with lines lw 3 lc rgb colour[i] dt dash[i] title word(names, i)
unset multiplot
G
gnuplot "$dir/objectives.gp"
cat > "$dir/objectives-dimension.gp" <<G
$style
set terminal pngcairo size 1200,720 font ",9"
names = "$board"
dims = "$dims"
set output "$dir/objectives-dimension.png"
set multiplot
set logscale xy
set autoscale fix
set offsets graph 0.03, graph 0.03, graph 0.03, graph 0.03
set format "%g"
set ytics ($ticks)
do for [k=1:words(dims)] {
	set size 0.333,0.5
	set origin 0.333*(k-1),0.5
	set title "eight Gaussians, d = ".word(dims, k)
	set xlabel "seconds of one core"
	set ylabel "weighted score error"
	plot for [i=1:8] "$dir/modes-".word(dims, k)."-".word(names, i).".error" using 2:3 with linespoints pt 7 ps 0.4 \
		lc rgb colour[i] dt dash[i] notitle
}
set ytics autofreq
set ylabel "tr Cov of a batch's gradient"
set xlabel "sigma"
set title "checkerboard"
set size 0.4,0.5
set origin 0,0
plot for [i=1:10] "$dir/variance-board" using 1:(column(i+1)) with linespoints pt 7 ps 0.4 lc rgb colour[i] dt dash[i] notitle
set title "eight Gaussians, d = $last"
set origin 0.4,0
plot for [i=1:8] "$dir/variance-modes" using 1:(column(i+1)) with linespoints pt 7 ps 0.4 lc rgb colour[i] dt dash[i] notitle
unset logscale
set offsets
unset tics
unset border
unset grid
unset title
unset xlabel
unset ylabel
set size 0.2,0.5
set origin 0.8,0
set key center center maxrows 10
set xrange [0:1]
set yrange [0:1]
plot for [i=1:10] NaN with lines lw 3 lc rgb colour[i] dt dash[i] title word(names, i)
unset multiplot
G
gnuplot "$dir/objectives-dimension.gp"
echo "$dir/table.md, $dir/objectives.png, $dir/objectives-dimension.png" >&2
