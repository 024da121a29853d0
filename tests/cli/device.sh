#!/bin/sh
# --device: what is refused and how, and that the processor takes over with auto. Nothing here needs a device.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

refuses 2 "expected cpu, auto, cuda or cuda:N" list --device gpu
refuses 2 "unknown word 'cuda:x'" list --device cuda:x
refuses 2 "unknown word 'fast'; expected bf16, tf32, strict or deterministic" list --device cuda,fast
refuses 2 "unknown word ''" list --device ""
refuses 1 "cuda,strict" list --device cuda --strict
SCOREFIELD_CUDA=$work/none refuses 2 "the CUDA unit cannot be loaded" list --device cuda
echo 'not a module' > text
SCOREFIELD_CUDA=$work/text refuses 2 "the CUDA unit cannot be loaded" list --device cuda

passes "--device cpu" sf train tiny -q -o cpu --set train.steps=10 --device cpu
if sf list --device cuda > stdout 2> stderr; then
	passes "a device takes a network of double to the processor" sf train tiny -o d --set train.steps=2 --device cuda --precision double
	holds "and says so" "run on the processor" stderr
else
	ok "no device here: $(cat stderr)"
	case ${SF_HAVE_CUDA:-no} in
	yes) refuses 2 "device 'cuda': " list --device cuda ;;
	*) refuses 2 "this build has no CUDA unit (./configure --with-cuda)" list --device cuda ;;
	esac
	passes "--device auto" sf train tiny -o auto --set train.steps=10 --device auto
	holds "auto says why" "no device, so the processor is used: " stderr
	for f in cpu/checkpoint-*.safetensors; do
		cmp -s "$f" "auto/${f#cpu/}" && ok "auto: the same bytes" || not_ok "auto: the same bytes"
	done
fi
finish
