#!/bin/sh
# Published weights in and out: a golden checkpoint with the authors' names becomes a run that samples and is trained on; exported
# files carry all that importing them again needs, give the same bytes again, and are what other programs expect.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

golden=$srcdir/tests/golden/networks
cat > ncsnpp.ini <<'E2'
[data]
shape = 16x16x3
scale = unit
[process]
spec = ve
[net]
spec = ncsnpp:width=16,mult=1:2,blocks=1,attn=8,dropout=0,input=centered
[model]
parametrisation = sigma-score
cond = log
[sample]
sampler = pc
E2
beside="--ignore input.* --ignore output.* --ignore grad.* --ignore exact.*"
set -f # the stars are for the program

passes "import of a golden checkpoint" sf import $golden/ncsnpp-small.safetensors -p ncsnpp.ini $beside -o run
holds "its map" "map score-sde" stdout
passes "its report as JSON" sf import $golden/ncsnpp-small.safetensors -p ncsnpp.ini $beside -o run --force --json
holds "weights of the model alone" '"weights": "model"' stdout
passes "inspect the run" sf inspect run
holds "our names" "ema.down0.pyramid.weight" stdout
passes "samples" sf sample run -n 3 --steps 4 -o x.npy --seed 5
passes "likelihood" sf likelihood run --data npy:path=x.npy --bound elbo --times 4 -n 2

passes "export" sf export run -o own.safetensors
holds "its count" "157 tensors" stdout
passes "import without anything else" sf import own.safetensors -o again
passes "export again" sf export again -o again.safetensors
same "the same bytes" own.safetensors again.safetensors
passes "the same samples" sf sample again -n 3 --steps 4 -o y.npy --seed 5
same "byte for byte" x.npy y.npy

passes "export under the authors' names" sf export run --map score-sde --weights model -o theirs.safetensors
passes "which is imported again" sf import theirs.safetensors -o theirs
passes "and exported again" sf export theirs --map score-sde --weights model -o theirs2.safetensors
grep -q . theirs2.safetensors && same "to the same bytes" theirs.safetensors theirs2.safetensors
if python=$(command -v python3) && "$python" -c 'import json, struct' 2> /dev/null; then
	cat > compare.py <<'E2'
import json, struct, sys
def read(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(n)), f.read()
    meta = head.pop("__metadata__")
    return meta, {k: (v["dtype"], v["shape"], data[slice(*v["data_offsets"])]) for k, v in head.items()}
golden, ours = read(sys.argv[1])[1], read(sys.argv[2])
want = {k[6:]: v for k, v in golden.items() if k.startswith("model.") and k != "model.sigmas"}
assert want == ours[1], "tensors differ"
assert len(want) == 157 and ours[0]["format"] == "pt" and "[net]" in ours[0]["config"]
E2
	passes "Python reads the golden tensors back" "$python" compare.py $golden/ncsnpp-small.safetensors theirs.safetensors
else
	echo "note: no Python; the exported file was not read by another program"
fi

# training goes on from imported weights
cat > tiny.ini <<'E2'
[data]
spec = gaussians
[net]
spec = mlp:width=8,depth=1
[train]
steps = 6
batch = 8
checkpoint-every = 3
sample-every = 0
E2
passes "a small run" sf train tiny.ini -o small -q
passes "its first checkpoint's weights" sf export small --checkpoint 3 --weights model -o small.safetensors
passes "into a run with moments" sf import small.safetensors -o tuned --moments
[ -f tuned/checkpoint-00000003.safetensors ] && ok "the step comes along" || not_ok "the step comes along"
passes "that is trained on" sf train tuned/config.ini --resume -o tuned -q
[ -f tuned/checkpoint-00000006.safetensors ] && ok "to its end" || not_ok "to its end"
passes "a whole checkpoint" sf import small/checkpoint-00000003.safetensors -p tiny.ini -o copied --json
holds "both kinds" '"weights": "both"' stdout
passes "another step" sf import small.safetensors -o later --step 5
[ -f later/checkpoint-00000005.safetensors ] && ok "as asked" || not_ok "as asked"

passes "list map" sf list map
holds "score-sde" "score_sde" stdout
refuses 2 "7 tensors unexpected: exact.all_modules.0.W, exact.cond" import $golden/ncsnpp-small.safetensors -p ncsnpp.ini \
	-o other --ignore input.x --ignore input.cond
refuses 2 "of another shape" import $golden/ncsnpp-small.safetensors -p ncsnpp.ini $beside -o other \
	--set net.spec=ncsnpp:width=32,mult=1:2,blocks=1,attn=8
refuses 2 "missing" import $golden/ddpmpp-small.safetensors -p ncsnpp.ini $beside -o other
refuses 2 "carries no configuration" import $golden/ncsnpp-small.safetensors -o other
refuses 2 "154 tensors missing: ema." import $golden/ddpmpp-small.safetensors -p ncsnpp.ini $beside -o other --weights ema \
	--set net.spec=ddpmpp:width=16,mult=1:2,blocks=1,attn=8 --set model.cond=time --set model.parametrisation=eps
refuses 2 "exists already" import own.safetensors -o run
refuses 2 "did you mean 'score-sde'" import own.safetensors -o other --map score_sde
refuses 2 "no-such.safetensors" import no-such.safetensors -o other
refuses 2 "expects 62758787" import $golden/ncsnpp-small.safetensors -p cifar10-ncsnpp -o other --set net.spec=ncsnpp:blocks=1
refuses 1 "no run directory" import own.safetensors
refuses 1 "no file to write" export run
refuses 2 "has no names for" export small --map edm -o other.safetensors
refuses 2 "checkpoint-00000077" export run --checkpoint 77 -o other.safetensors
head -c 5000 own.safetensors > cut.safetensors
refuses 2 "truncated" import cut.safetensors -o other
[ -e other ] || [ -e other.safetensors ] && not_ok "refusals write nothing" || ok "refusals write nothing"
finish
