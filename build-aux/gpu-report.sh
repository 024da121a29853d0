#!/bin/sh
# gpu-report.sh: everything that needs a device, in one command: `make gpu-report` in a build with --with-cuda.
#
#     sh gpu-report.sh [-m MINUTES] [-p PYTHON] [-s STEPS] [OUT]
#
#     -m MINUTES  of training DDPM++ on Fashion-MNIST at 32 x 32 (default 20; 0: none)
#     -p PYTHON   with PyTorch, to compare with (default: python3)
#     -s LIST     of the parts below, for less than all: "tests sanitizer equal speed profile train"
#     OUT         where everything goes (default: gpu-report)
#
#   tests      the device's tests on the device itself, and a table of each operation's errors by precision
#   sanitizer  the same under compute-sanitizer (memcheck, racecheck, initcheck), where that is installed
#   equal      two runs with --deterministic are the same bytes; a run that was stopped and resumed too
#   speed      training and sampling beside PyTorch on the same network, turn about
#   profile    time, operations and bytes of each kind of kernel in a training step
#   train      the preset fashion-mnist-ddpmpp for MINUTES: loss curve and a grid of samples
#
# OUT/report.md is the report. Run in the build directory. A part that fails is told of in the report, and the status is 1.
# SPDX-License-Identifier: BSD-3-Clause
set -u
LC_ALL=C
export LC_ALL
minutes=20 python=python3 parts='tests sanitizer equal speed profile train'
src=$(cd "$(dirname "$0")/.." && pwd)
while getopts m:p:s:h option; do
	case $option in
	m) minutes=$OPTARG ;;
	p) python=$OPTARG ;;
	s) parts=$OPTARG ;;
	*) sed -n '2,/^# SPDX/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 1 ;;
	esac
done
shift $((OPTIND - 1))
out=${1:-gpu-report}
build=$(pwd)
[ -x ./scorefield ] || { echo "gpu-report: there is no ./scorefield; run this in a build directory" >&2; exit 1; }
SF_SRCDIR=$src SCOREFIELD_DATA=$src/data SF_TEST_DEVICE=cuda
SCOREFIELD_CUDA=${SCOREFIELD_CUDA-$build/.libs/scorefield-cuda.so}
CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT-300}
OPENBLAS_NUM_THREADS=1
export SF_SRCDIR SCOREFIELD_DATA SF_TEST_DEVICE SCOREFIELD_CUDA CK_DEFAULT_TIMEOUT OPENBLAS_NUM_THREADS
mkdir -p "$out" || exit 1
out=$(cd "$out" && pwd)
report=$out/report.md
failed=0

say() { printf '%s\n' "$@" >> "$report"; }
wants() { case " $parts " in *" $1 "*) printf 'gpu-report: %s\n' "$1"; return 0 ;; esac; return 1; }
bad() { failed=1; say "**FAILED: $***"; printf 'gpu-report: FAILED: %s\n' "$*" >&2; }
# quote FILE: as a block of code, its end if it is long
quote() { say '```'; tail -n 60 "$1" >> "$report"; say '```'; }

device=$(./scorefield list --device cuda 2>&1 > /dev/null) ||
	{ echo "gpu-report: $device" >&2; exit 1; }
: > "$report"
say "# scorefield on a device" ''
say "$(date -u +%Y-%m-%d), $(uname -sm), $(getconf _NPROCESSORS_ONLN) processors, $(./scorefield --version)" ''
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader >> "$report" 2>&1
say ''

tests='check_cuda_ops check_cuda_linear check_cuda_maps check_cuda_noise check_cuda_norm check_cuda_nets check_cuda_train
	check_cuda_runs check_cuda_stable check_comm'

if wants tests; then
	say '## Tests on the device' ''
	rm -f "$out/errors.txt"
	for t in $tests; do
		${MAKE:-make} -s "tests/$t" > "$out/$t.log" 2>&1 || { bad "$t does not build"; continue; }
		SF_ERROR_TABLE=$out/errors.txt "tests/$t" >> "$out/$t.log" 2>&1 || { bad "$t"; quote "$out/$t.log"; }
		say "    $t: $(grep -E '^[0-9]+%: Checks' "$out/$t.log" | tail -n 1)"
	done
	say '' 'Largest relative L2 error against the processor in double, by operation:' '' '| operation | strict | tf32 | bf16 |' \
		'| --- | --- | --- | --- |'
	[ -f "$out/errors.txt" ] && awk -F '\t' '{ seen[$1]; if ($3 + 0 > most[$1, $2] + 0) most[$1, $2] = $3 }
		END { for (o in seen) printf "| %s | %.1e | %.1e | %.1e |\n", o, most[o, "strict"], most[o, "tf32"], most[o, "bf16"] }' \
		"$out/errors.txt" | sort >> "$report"
	say ''
fi

if wants sanitizer; then
	say '## compute-sanitizer' ''
	if command -v compute-sanitizer > /dev/null 2>&1; then
		for tool in memcheck racecheck initcheck; do
			for t in check_cuda_ops check_cuda_norm check_cuda_maps; do
				log=$out/$tool-$t.log
				program=tests/.libs/$t
				[ -x "$program" ] || program=tests/$t
				CK_FORK=no timeout 600 compute-sanitizer --tool $tool --error-exitcode 9 "$program" > "$log" 2>&1 ||
					{ bad "$tool of $t"; quote "$log"; }
				say "    $tool, $t: $(grep 'ERROR SUMMARY\|RACECHECK SUMMARY' "$log" | tail -n 1)"
			done
		done
	else
		say 'compute-sanitizer is not installed.'
	fi
	say ''
fi

if wants equal; then
	say '## The same bytes from run to run' ''
	small='--set train.steps=40 --set train.checkpoint-every=20 -q --force'
	for precision in bf16 tf32 strict; do
		rm -rf "$out"/equal-*
		# shellcheck disable=SC2086 # a list of options
		./scorefield train digits $small --device "cuda,$precision" --deterministic -o "$out/equal-a" > "$out/equal.log" 2>&1 &&
			./scorefield train digits $small --device "cuda,$precision" --deterministic -o "$out/equal-b" >> "$out/equal.log" 2>&1 &&
			./scorefield train digits $small --device "cuda,$precision" --deterministic -o "$out/equal-c" --set train.steps=20 \
				>> "$out/equal.log" 2>&1 &&
			./scorefield train digits -q --device "cuda,$precision" --deterministic -o "$out/equal-c" --resume --set train.steps=40 \
				>> "$out/equal.log" 2>&1 || { bad "$precision: a run ended with an error"; quote "$out/equal.log"; continue; }
		last=checkpoint-000000040.safetensors
		[ -f "$out/equal-a/$last" ] || last=$(basename "$(ls "$out"/equal-a/checkpoint-*.safetensors | tail -n 1)")
		cmp "$out/equal-a/$last" "$out/equal-b/$last" >> "$out/equal.log" 2>&1 || bad "$precision: two runs differ"
		cmp "$out/equal-a/$last" "$out/equal-c/$last" >> "$out/equal.log" 2>&1 || bad "$precision: a resumed run differs"
		say "    $precision: 40 steps twice, and once resumed after 20: compared"
	done
	rm -rf "$out"/equal-?
	say ''
fi

if wants speed; then
	say '## Speed beside PyTorch' ''
	sh "$src/bench/bench.sh" -p "$python" -m compile -d cuda,bf16 -- --seconds 10 device > "$out/speed.md" 2> "$out/speed.log" ||
		{ bad 'the benchmark'; quote "$out/speed.log"; }
	cat "$out/speed.md" >> "$report"
	say ''
fi

if wants profile; then
	say '## Where the time of a training step goes' ''
	./scorefield train fashion-mnist-ddpmpp --device cuda --profile --set train.steps=30 --set train.sample-every=0 --force \
		-o "$out/profile" > "$out/profile.txt" 2>&1 || bad 'the profile'
	quote "$out/profile.txt"
	nvidia-smi --query-gpu=memory.used --format=csv,noheader >> "$report" 2>&1
	rm -rf "$out/profile"
	say ''
fi

if wants train && [ "$minutes" -gt 0 ]; then
	say "## DDPM++ on Fashion-MNIST, $minutes minutes" ''
	timeout -s INT $((60 * minutes)) ./scorefield train fashion-mnist-ddpmpp --device cuda --force -o "$out/run" > "$out/train.log" 2>&1
	rc=$?
	case $rc in 0 | 4 | 124) ;; *) bad "training ended with status $rc"; quote "$out/train.log" ;; esac
	tail -n 3 "$out/run/log.jsonl" > "$out/tail.txt" 2>/dev/null && quote "$out/tail.txt"
	./scorefield sample "$out/run" --device cuda -n 100 -o "$out/samples.png" >> "$out/train.log" 2>&1 || bad 'sampling'
	cp "$out/run/loss.png" "$out/loss.png" 2>/dev/null || ./scorefield plot loss "$out/run" -o "$out/loss.png" >> "$out/train.log" 2>&1
	say '![samples](samples.png)' '' '![loss](loss.png)'
fi
printf 'gpu-report: %s\n' "$report"
exit $failed
