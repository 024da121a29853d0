#!/bin/sh
# Training: same bytes for any number of threads, after kill -9 and --resume, and from the config.ini it wrote;
# SIGINT writes a checkpoint and ends with status 4.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

last() { # the newest checkpoint of a run
	ls "$1"/checkpoint-*.safetensors 2> /dev/null | tail -n 1
}

# waits until the run has a checkpoint beyond the start
wait_for() {
	i=0
	while [ -z "$(last "$1")" ] && [ $i -lt 600 ]; do
		sleep 0.05
		i=$((i + 1))
	done
}

passes "train tiny" sf train tiny -o whole --set train.steps=200
holds "the memory is told before the start" "needs" stdout
holds "the checkpoint is named" "$(last whole)" stdout
for f in config.ini log.jsonl; do
	[ -s whole/$f ] && ok "whole/$f" || not_ok "whole/$f"
done
passes "--profile" sf train tiny -o profiled --set train.steps=200 --profile
same "a profiled run gives the same checkpoint" "$(last whole)" "$(last profiled)"
for word in "ms a step" "matrix product" optimiser "total .*100.0" "peak .*GFLOP/s"; do
	grep -q "$word" stdout && ok "--profile shows '$word'" || not_ok "--profile shows '$word'"
done
passes "--profile --json" sf train tiny -o profiled --force --set train.steps=20 --profile --json --threads 1
holds "steps are counted" '"steps": 20' stdout
for key in seconds flops peak kinds calls bytes; do
	grep -q "\"$key\"" stdout && ok "--json has $key" || not_ok "--json has $key"
done
passes "options after and before operands, = and space" \
	sf train --set=train.steps=20 tiny --output short --quiet --threads=1
[ "$(last short)" = short/checkpoint-00000020.safetensors ] && ok "--set train.steps=20" ||
	not_ok "--set train.steps=20: $(last short)"

for t in 1 2 3; do
	passes "train with $t threads" sf train tiny -q -o threads$t --threads $t
	same "$t threads give the same checkpoint" "$(last whole)" "$(last threads$t)"
done

passes "train from the config.ini of a run" sf train whole/config.ini -q -o again
same "config.ini fed back gives the same checkpoint" "$(last whole)" "$(last again)"
same "and the same config.ini" whole/config.ini again/config.ini

passes "another seed" sf train tiny -q -o seed --seed 7
if cmp -s "$(last whole)" "$(last seed)"; then not_ok "--seed changes the result"; else
	ok "--seed changes the result"; fi

# kill -9: slow steps (a large batch) leave time to hit the middle; the sleep lets some steps pass after
# the first checkpoint.
slow="--set train.steps=1200 --set train.batch=512 --set train.checkpoint-every=20"
passes "the uninterrupted run" sf train tiny -q -o straight $slow
"$SCOREFIELD" train tiny -q -o killed $slow 2> /dev/null &
pid=$!
wait_for killed
sleep 0.1
kill -9 $pid 2> /dev/null
wait $pid 2> /dev/null
case $(last killed) in
*00001200*) echo "# the run was over before it could be killed" ;;
esac
passes "--resume after kill -9" sf train tiny -q -o killed --resume $slow
same "kill -9 and --resume give the same checkpoint" "$(last straight)" "$(last killed)"

"$SCOREFIELD" train tiny -o stopped $slow --set train.steps=100000 > out 2> stderr &
pid=$!
wait_for stopped
kill -INT $pid
wait $pid
status=$?
# A shell without job control starts background commands with SIGINT ignored; the program sets its own handler.
[ $status -eq 4 ] && ok "SIGINT ends with status 4" || not_ok "SIGINT ends with status 4: $status"
at=$(last stopped | sed 's/.*checkpoint-0*\([0-9]*\)\.safetensors/\1/')
to=$((at + 60))
passes "a stopped run can be resumed" sf train tiny -q -o stopped --resume --set train.steps=$to
passes "the same without a stop" sf train tiny -q -o unstopped $slow --set train.steps=$to
same "SIGINT and --resume give the same checkpoint" "$(last unstopped)" "$(last stopped)"
"$SCOREFIELD" train tiny -q -o termed $slow --set train.steps=100000 > out 2> stderr &
pid=$!
wait_for termed
kill -TERM $pid
wait $pid
[ $? -eq 4 ] && ok "SIGTERM ends with status 4" || not_ok "SIGTERM ends with status 4"

# Several averages, and steps in parts.
many="--set train.ema=0.9:0.99:0.999"
passes "three averages, at once" sf train tiny -q -o averages $many $slow
"$SCOREFIELD" train tiny -q -o parts $many --set train.accumulate=4 $slow 2> /dev/null &
pid=$!
wait_for parts
kill -9 $pid 2> /dev/null
wait $pid 2> /dev/null
passes "--resume after kill -9, in parts" sf train tiny -q -o parts --resume $many --set train.accumulate=8 $slow
same "parts, kill -9 and --resume give the same checkpoint" "$(last averages)" "$(last parts)"
refuses 2 "0.9:0.99:0.999" train tiny -q -o parts --resume --set train.ema=0.9
holds "log.jsonl has each" '"ema2": ' averages/log.jsonl
passes "the first average is sampled" sf sample averages -q -n 8 -o first.npy
passes "and by its name" sf sample averages -q -n 8 -o named.npy --ema 0.9
same "which is the same" first.npy named.npy
passes "another" sf sample averages -q -n 8 -o second.npy --ema 0.999
if cmp -s first.npy second.npy; then not_ok "--ema chooses"; else ok "--ema chooses"; fi
passes "--raw" sf sample averages -q -n 8 -o raw.npy --raw
passes "--ema raw" sf sample averages -q -n 8 -o raw2.npy --ema raw
same "are one" raw.npy raw2.npy
refuses 2 "0.9:0.99:0.999" sample averages -n 8 -o x.npy --ema 0.95
refuses 2 "'slow'" sample averages -n 8 -o x.npy --ema slow
refuses 1 "exclude each other" sample averages -n 8 -o x.npy --ema 0.9 --raw
for command in "evaluate --data mixture:weights=1,means=0:0,stds=1" "likelihood -n 20"; do
	sf $command averages -q --ema 0.999 > first
	sf $command averages -q > second
	if [ ! -s first ] || cmp -s first second; then not_ok "${command%% *} --ema"; else
		ok "${command%% *} --ema"; fi
done
refuses 2 "expected 1 to 8" train tiny -q -o x --set train.shards=8 --set train.accumulate=9
refuses 2 "lists 0.9 twice" train tiny -q -o x --set train.ema=0.9:0.9
refuses 2 "out of range" train tiny -q -o x --set train.ema=0.9:1.1
refuses 2 "exclude each other" train tiny -q -o x --set train.warmup=3 --set train.warmup-images=3
[ -e x ] && not_ok "a refused run leaves nothing" || ok "a refused run leaves nothing"

# Memory that is not there.
if (ulimit -v 4000000 && exec "$SCOREFIELD" --version) > /dev/null 2>&1; then # not with a sanitizer
	(ulimit -v 4000000 && exec "$SCOREFIELD" train tiny -q -o huge --set net.spec=mlp:width=8192,depth=4) > stdout 2> stderr
	[ $? -eq 2 ] && [ "$(wc -l < stderr)" -eq 1 ] && grep -q "training needs .* (ulimit -v); less is needed with" stderr &&
		ok "what does not fit is refused" || not_ok "what does not fit is refused"
	[ -e huge ] && not_ok "and leaves nothing" || ok "and leaves nothing"
fi

refuses 2 "exists" train tiny -o whole
passes "--force writes over a run" sf train tiny -q -o short --force --set train.steps=10
refuses 3 "step" train tiny -q -o diverged --set train.lr=1e30 --set train.clip=0
finish
