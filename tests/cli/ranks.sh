#!/bin/sh
# Processes that train together on one machine: the files of one process, bad settings, a rank that ends.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

# train_rank RANK RANKS OUT OPTION...: in the background
mkdir meet
train_rank() {
	rank=$1 ranks=$2 to=$3
	shift 3
	SCOREFIELD_RANK=$rank SCOREFIELD_RANKS=$ranks SCOREFIELD_JOB=test SCOREFIELD_MEET=$work/meet OMP_NUM_THREADS=1 \
		"$SCOREFIELD" train tiny -o "$to" "$@" > "out-$rank" 2> "err-$rank" &
}
last() {
	ls "$1"/checkpoint-*.safetensors | tail -n 1
}

passes "one process" sf train tiny -q -o one --set train.steps=20 --set train.shards=4
train_rank 1 2 two --set train.steps=20 --set train.shards=4
second=$!
train_rank 0 2 two --set train.steps=20 --set train.shards=4
wait $! && ok "rank 0 ends well" || not_ok "rank 0 ends well: $(cat err-0)"
wait $second && ok "rank 1 ends well" || not_ok "rank 1 ends well: $(cat err-1)"
cmp -s "$(last one)" "$(last two)" && ok "two ranks: the bytes of one process" || not_ok "two ranks: the bytes of one process"
[ -s out-1 ] && not_ok "rank 1 says nothing" || ok "rank 1 says nothing"
holds "rank 0 says what there is" "done at step 20" out-0
[ -z "$(ls meet)" ] && ok "no file is left where they met" || not_ok "no file is left where they met"

train_rank 1 2 other --set train.steps=20 --set train.lr=0.5
second=$!
train_rank 0 2 other --set train.steps=20
if wait $!; then not_ok "other configurations are refused"; else ok "other configurations are refused"; fi
if wait $second; then not_ok "by both"; else ok "by both"; fi
holds "and the message says so" "has another configuration than rank 0" err-0

# One is interrupted: both stop, at the same step, and one writes.
train_rank 1 2 stopped --set train.steps=10000000 --set train.log-every=1
second=$!
train_rank 0 2 stopped --set train.steps=10000000 --set train.log-every=1
first=$!
for try in 1 2 3 4 5 6 7 8 9 10; do
	[ -s stopped/log.jsonl ] || sleep 1
done
kill -INT $second
rc=0
wait $first || rc=$?
[ $rc -eq 4 ] && ok "rank 0 ends with status 4" || not_ok "rank 0 ends with status $rc: $(cat err-0)"
rc=0
wait $second || rc=$?
[ $rc -eq 4 ] && ok "rank 1 too" || not_ok "rank 1 ends with status $rc: $(cat err-1)"
holds "and says where" "stopped after step" err-1
[ -f "$(last stopped)" ] && ok "there is a checkpoint" || not_ok "there is a checkpoint"

SCOREFIELD_RANKS=2 refuses 2 "SCOREFIELD_RANK" train tiny -o x
SCOREFIELD_RANK=5 SCOREFIELD_RANKS=2 SCOREFIELD_JOB=a SCOREFIELD_MEET=$work/meet refuses 2 "expected 0 to 1" train tiny -o x
SCOREFIELD_RANK=0 SCOREFIELD_RANKS=2 SCOREFIELD_JOB=a SCOREFIELD_MEET=$work/none refuses 2 "none" train tiny -o x
refuses 2 "did you mean 'local'" train tiny -o x --comm locla
refuses 2 "device" train tiny -o x --comm nccl:rank=0,ranks=1
[ -e x ] && not_ok "a refused run leaves nothing" || ok "a refused run leaves nothing"
finish
