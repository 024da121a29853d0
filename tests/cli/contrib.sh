#!/bin/sh
# contrib/torch2safetensors.py on files that PyTorch makes here: score_sde's and NCSNv2's layouts, state dictionaries, EDM's pickles of
# modules; and on files that would run code if they were loaded the usual way.
# SPDX-License-Identifier: BSD-3-Clause
. "$(dirname "$0")/lib.sh"

python=$(command -v python3) || skip "no python3"
"$python" -W ignore -c 'import torch; assert int(torch.__version__.split(".")[0]) >= 2' 2> /dev/null || skip "no PyTorch 2"
convert() {
	"$python" -W ignore "$srcdir/contrib/torch2safetensors.py" "$@"
}

# ---- files ----
cat > make.py <<'E2'
import collections, io, os, pickle, sys, types, torch
a, b = torch.arange(6.).reshape(2, 3), torch.tensor([.5, -2.])
torch.save({"model": collections.OrderedDict([("module.sigmas", torch.ones(4, dtype=torch.float64)), ("module.A", a), ("module.b", b)]),
            "ema": {"decay": .999, "num_updates": 7, "shadow_params": [a + 1, b + 1], "collected_params": None},
            "optimizer": {"state": {0: {"step": 3, "exp_avg": a}}}, "step": 1234}, "song.pth")
torch.save([{"module.A": a, "module.b": b}, {"state": {}}, 3, 400, {"A": a + 2, "b": b + 2}], "ermon.pth")
torch.save({"A": a.half(), "b": b.bfloat16()}, "plain.pt")

# EDM's pickles: modules are calls of a function of its own with the source of their class.
pack = types.ModuleType("torch_utils"); persistence = types.ModuleType("torch_utils.persistence"); pack.persistence = persistence
dnn = types.ModuleType("dnnlib"); util = types.ModuleType("dnnlib.util"); dnn.util = util
sys.modules.update({"torch_utils": pack, "torch_utils.persistence": persistence, "dnnlib": dnn, "dnnlib.util": util})
def _reconstruct_persistent_obj(meta): raise SystemExit("the source that a pickle carries was run")
_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
_reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj
class EasyDict(dict): pass
EasyDict.__module__ = "dnnlib.util"; EasyDict.__qualname__ = "EasyDict"; util.EasyDict = EasyDict
class Module:
    def __init__(self, **state): self.state = state
    def __reduce__(self):
        return _reconstruct_persistent_obj, (EasyDict(type="class", version=6, module_src="import os; os.system('touch HACKED')",
                                                      class_name="Net", state=self.state),)
def module(parameters={}, buffers={}, modules={}):
    return Module(training=False, _parameters=collections.OrderedDict(parameters), _buffers=collections.OrderedDict(buffers),
                  _modules=collections.OrderedDict(modules), sigma_data=.5)
conv = module({"weight": torch.nn.Parameter(a), "bias": torch.nn.Parameter(b)}, {"resample_filter": torch.full((1, 1, 2, 2), .25), "none": None})
blocks = torch.nn.ModuleDict(); blocks._modules["16x16_down"] = conv
net = module({}, {}, {"model": module({"scale": torch.nn.Parameter(b)}, {}, {"enc": blocks})})
with open("edm.pkl", "wb") as f:
    pickle.dump({"ema": net, "loss_fn": module(), "augment_pipe": None, "dataset_kwargs": EasyDict(path="x")}, f)

class Evil:
    def __init__(self, f, *args): self.f, self.args = f, args
    def __reduce__(self): return self.f, self.args
def dump(name, what):
    with open(name, "wb") as f: pickle.dump(what, f)
dump("evil1.pkl", {"ema": Evil(os.system, "touch HACKED")})
dump("evil2.pkl", {"ema": Evil(eval, "open('HACKED', 'w')")})
dump("evil3.pkl", {"ema": Evil(torch.load, "song.pth")})
nested = io.BytesIO(); pickle.dump(Evil(os.system, "touch HACKED"), nested)
dump("evil4.pkl", {"ema": Evil(torch.storage._load_from_bytes, nested.getvalue())})
torch.save({"model": Evil(os.system, "touch HACKED")}, "evil5.pth")
with open("evil6.pkl", "wb") as f: f.write(b"cos\nsystem\n(S'touch HACKED'\ntR.")
with open("not.pkl", "wb") as f: f.write(b"nothing")
open("empty.pth", "wb").close()
E2
passes "files to convert" "$python" -W ignore make.py

# ---- good ones ----
for f in song.pth ermon.pth plain.pt edm.pkl; do
	passes "$f" convert $f "${f%.*}.safetensors"
done
cat > check.py <<'E2'
import json, struct, sys
def read(path):
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        head, data = json.loads(f.read(n)), f.read()
    assert n % 8 == 0
    meta, out, at = head.pop("__metadata__"), {}, 0
    for k, v in head.items():
        assert v["data_offsets"][0] == at
        at = v["data_offsets"][1]
        fmt = {"F32": "f", "F64": "d", "F16": "e", "BF16": "H"}[v["dtype"]]
        raw = data[slice(*v["data_offsets"])]
        out[k] = (v["dtype"], v["shape"], list(struct.unpack("<%d%s" % (len(raw) // struct.calcsize(fmt), fmt), raw)))
    assert at == len(data)
    return meta, out
A, b = [0., 1., 2., 3., 4., 5.], [.5, -2.]
plus = lambda x, y: [v + y for v in x]
meta, t = read("song.safetensors")
assert meta == {"format": "pt", "step": "1234", "ema.decay": "0.999", "ema.num_updates": "7"}, meta
assert t == {"model.module.sigmas": ("F64", [4], [1.] * 4), "model.module.A": ("F32", [2, 3], A), "model.module.b": ("F32", [2], b),
             "ema.shadow_params.0": ("F32", [2, 3], plus(A, 1)), "ema.shadow_params.1": ("F32", [2], plus(b, 1))}, t
meta, t = read("ermon.safetensors")
assert meta == {"format": "pt", "epoch": "3", "step": "400"}, meta
assert t == {"model.module.A": ("F32", [2, 3], A), "model.module.b": ("F32", [2], b), "ema.A": ("F32", [2, 3], plus(A, 2)),
             "ema.b": ("F32", [2], plus(b, 2))}, t
meta, t = read("plain.safetensors")
assert t == {"A": ("F16", [2, 3], A), "b": ("BF16", [2], [0x3f00, 0xc000])}, t
meta, t = read("edm.safetensors")
assert t == {"ema.model.scale": ("F32", [2], b), "ema.model.enc.16x16_down.weight": ("F32", [2, 3], A),
             "ema.model.enc.16x16_down.bias": ("F32", [2], b),
             "ema.model.enc.16x16_down.resample_filter": ("F32", [1, 1, 2, 2], [.25] * 4)}, t
E2
passes "tensors, names, types and metadata" "$python" check.py

# scorefield reads them: "affine" for two numbers would need A of 2x2, so shapes are what it objects to
cat > affine.ini <<'E2'
[data]
shape = 2
[net]
spec = affine
E2
refuses 2 "model.module.A is 2x3, expected 2x2" import song.safetensors -p affine.ini -o run --map own --ignore '*sigmas' --weights model

# ---- bad ones ----
no() { # NAME TEXT FILE
	convert "$3" out.safetensors > stdout 2> stderr
	status=$?
	if [ $status -ne 1 ] || [ "$(wc -l < stderr)" -ne 1 ] || ! grep -qF -e "$2" stderr; then
		not_ok "$1: status $status"
	else
		ok "$1"
	fi
}
no "os.system in a pickle" "it asks for posix.system" evil1.pkl
no "eval in a pickle" "it asks for builtins.eval" evil2.pkl
no "torch.load in a pickle" "it asks for torch.serialization.load" evil3.pkl
no "a pickle in a storage" "evil4.pkl" evil4.pkl
no "os.system in a .pth" "eights" evil5.pth
no "os.system by hand" "it asks for os.system" evil6.pkl
no "no pickle" "not.pkl" not.pkl
no "an empty file" "empty.pth" empty.pth
no "no file" "No such file" none.pth
[ -e HACKED ] && not_ok "nothing that files asked for was run" || ok "nothing that files asked for was run"
[ -e out.safetensors ] || [ -e out.safetensors.part ] && not_ok "refusals write nothing" || ok "refusals write nothing"
finish
