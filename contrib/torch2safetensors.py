#!/usr/bin/env python3
"""torch2safetensors.py IN.pth|IN.pkl OUT.safetensors: checkpoints of PyTorch as safetensors.

Needs Python 3.8 and PyTorch 2.0 or newer (the CPU build will do), nothing else.

What it reads:

  .pth, .pt   files of torch.save, with weights_only=True: PyTorch then makes tensors and plain
              containers and nothing else. score_sde's dictionaries of "model", "ema", "step" and
              "optimizer", NCSNv2's lists of model, optimizer, epoch, step and averaged weights, and
              plain state dictionaries.
  .pkl        snapshots of EDM and of StyleGAN's family. Loading these the usual way runs the source
              code that they carry. Here a pickle reader of our own keeps their dictionaries of
              tensors, makes inert stand-ins of modules, and refuses whatever else it meets.

What it writes: each tensor under the names that lead to it, joined by dots: "model.NAME",
"ema.NAME", "ema.shadow_params.K" (score_sde's averaged weights are a list without names); numbers
and short texts, such as "step", in the metadata. The optimiser's state is left out.

    scorefield import OUT.safetensors -p PRESET -o RUN

SPDX-License-Identifier: BSD-3-Clause
"""
import argparse
import array
import collections
import ctypes
import io
import json
import os
import pickle
import struct
import sys
import zipfile

import torch

DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
    torch.bool: "BOOL",
}
LEFT_OUT = ("optimizer", "optimizer_state", "optim", "loss_fn", "augment_pipe", "dataset_kwargs",
            "training_set_kwargs")


class Refused(Exception):
    pass


# ---- pickles of modules ----

class Inert:
    """Stands for a module: keeps its state, does nothing."""

    def __init__(self, *args, **kwargs):
        self.state = {}

    def __setstate__(self, state):
        self.state = state if isinstance(state, dict) else {}


def reconstruct(meta):
    """In the place of torch_utils.persistence._reconstruct_persistent_obj, which would run
    meta["module_src"]."""
    module = Inert()
    module.__setstate__(meta.get("state"))
    return module


def storage_from_bytes(data):
    """In the place of torch.storage._load_from_bytes: the same, but for tensors alone."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


class EasyDict(dict):
    pass


class Reader(pickle.Unpickler):
    KNOWN = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): reconstruct,
        ("dnnlib.util", "EasyDict"): EasyDict,
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
        ("torch.storage", "_load_from_bytes"): storage_from_bytes,
        ("torch", "Size"): torch.Size,
        ("builtins", "set"): set,
        ("__builtin__", "set"): set,
    }

    def find_class(self, module, name):
        if (module, name) in self.KNOWN:
            return self.KNOWN[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if module.startswith("torch.nn.modules."):
            return Inert
        raise Refused(f"it asks for {module}.{name}, which weights have no need of")

    def persistent_load(self, pid):
        raise Refused("it refers to storage outside of it")


def module_tensors(module):
    """A module's parameters, buffers and modules as one dictionary."""
    out = {}
    for kind in ("_parameters", "_buffers"):
        for name, value in (module.state.get(kind) or {}).items():
            if value is not None:
                out[name] = value
    for name, value in (module.state.get("_modules") or {}).items():
        if value is not None:
            out[name] = value
    return out


# ---- any of them ----

def load(path):
    """What a file holds; no code of the file's runs."""
    with open(path, "rb") as f:
        if zipfile.is_zipfile(path) or not path.endswith(".pkl"):
            return torch.load(f, map_location="cpu", weights_only=True)
        return Reader(f).load()


def roles(content):
    """NCSNv2 saves a list: state, optimiser, epoch, step and perhaps averaged weights."""
    if isinstance(content, (list, tuple)) and len(content) in (4, 5) and isinstance(content[0], dict):
        names = ("model", "optimizer", "epoch", "step", "ema")
        return dict(zip(names, content))
    return content


def flatten(value, name, tensors, meta, left_out):
    if isinstance(value, torch.Tensor):
        if name in tensors:
            raise Refused(f"two tensors would be called {name}")
        tensors[name] = value.detach()
    elif isinstance(value, Inert):
        flatten(module_tensors(value), name, tensors, meta, left_out)
    elif isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if not name and key in LEFT_OUT:
                left_out.append(key)
            else:
                flatten(item, f"{name}.{key}" if name else str(key), tensors, meta, left_out)
    elif isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 200):
        meta[name] = str(value)


def raw(tensor):
    """A tensor's numbers in their order, little-endian."""
    tensor = tensor.contiguous()
    size = tensor.numel() * tensor.element_size()
    data = ctypes.string_at(tensor.data_ptr(), size) if size else b""
    if sys.byteorder == "big" and tensor.element_size() > 1:
        swapped = array.array({2: "H", 4: "I", 8: "Q"}[tensor.element_size()], data)
        swapped.byteswap()
        data = swapped.tobytes()
    return data


def write(path, tensors, meta):
    header, at = {"__metadata__": meta}, 0
    for name, t in tensors.items():
        if t.dtype not in DTYPES:
            raise Refused(f"{name} is of type {t.dtype}, which safetensors has no name for")
        size = t.numel() * t.element_size()
        header[name] = {"dtype": DTYPES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = path + ".part"
    with open(part, "wb") as f:
        f.write(struct.pack("<Q", len(text)))
        f.write(text)
        for t in tensors.values():
            f.write(raw(t))
    os.replace(part, path)


def main():
    parser = argparse.ArgumentParser(description="Checkpoints of PyTorch as safetensors.")
    parser.add_argument("input", metavar="IN.pth|IN.pkl")
    parser.add_argument("output", metavar="OUT.safetensors")
    names = parser.parse_args()
    tensors, meta, left_out = {}, {"format": "pt"}, []
    try:
        content = roles(load(names.input))
        if isinstance(content, Inert):
            content = {"model": content}
        flatten(content, "", tensors, meta, left_out)
        if not tensors:
            raise Refused("it holds no tensors")
        write(names.output, tensors, meta)
    except Exception as e:  # a broken or hostile file may raise anything
        why = str(e).split("\n")[0] or type(e).__name__
        print(f"torch2safetensors.py: {names.input}: {why}", file=sys.stderr)
        return 1
    count = sum(t.numel() for t in tensors.values())
    print(f"{names.output}: {len(tensors)} tensors, {count} numbers"
          + (f"; left out: {', '.join(left_out)}" if left_out else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
