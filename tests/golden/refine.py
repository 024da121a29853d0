#!/usr/bin/env python3
# refine.py: makes golden numbers for the RefineNets that no public code was run for: NCSN with conditional normalisations, and
# NCSNv2's structures for 128 and 256 pixels. Written from the formulas at the head of src/net/refine.c and src/net/refine_net.c,
# in plain PyTorch functions on a dictionary of tensors (Song and Ermon 2019, 1907.05600, appendix A; 2020, 2006.09011,
# appendix B). The parameters' formula and the layout of the files are those of README.md beside this file.
#
#     python3 tests/golden/refine.py DIRECTORY        needs PyTorch; the tests read its results only
#
# SPDX-License-Identifier: BSD-3-Clause
import json
import math
import struct
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def hashed(seed, k, n):
    """u(i), i < n, of parameter k."""
    mask = 0xFFFFFFFF
    out = []
    for i in range(n):
        h = (i * 2654435761 + (1000 * seed + k) * 40503 + 12345) & mask
        h ^= h >> 15
        h = h * 2246822519 & mask
        h ^= h >> 13
        out.append(h / 2**32 - 0.5)
    return torch.tensor(out)


class Net:
    """A RefineNet; parameters come into being when a layer first asks for them."""

    def __init__(self, seed, width, size, levels):
        self.seed, self.width, self.size, self.levels = seed, width, size, levels
        self.names, self.values = [], {}

    def param(self, name, *shape):
        if name not in self.values:
            k, n = len(self.names), math.prod(shape)
            fan = math.prod(shape[1:])
            scale = 0.5 / math.sqrt(fan) if len(shape) > 1 else 0.1
            gain = len(shape) == 1 and name.endswith(("weight", "alpha", "gamma"))
            value = (1 if gain else 0) + scale * math.sqrt(12) * hashed(self.seed, k, n)
            self.names.append(name)
            self.values[name] = value.float().double().reshape(shape).requires_grad_()
        return self.values[name]

    # -- layers --
    def conv(self, name, x, out, k=3, dilation=1, bias=True):
        w = self.param(name + ".weight", out, x.shape[1], k, k)
        b = self.param(name + ".bias", out) if bias else None
        return F.conv2d(x, w, b, padding=dilation * (k // 2), dilation=dilation)

    def norm(self, name, x, y):
        c = x.shape[1]
        mu = x.mean((2, 3))
        spread = (mu - mu.mean(1, keepdim=True)) / torch.sqrt(mu.var(1, keepdim=True, unbiased=True) + 1e-5)
        h = (x - mu[:, :, None, None]) / torch.sqrt(x.var((2, 3), unbiased=False, keepdim=True) + 1e-5)
        if self.levels:
            row = self.param(name + ".embed.weight", self.levels, 3 * c)[y]
            gamma, alpha, beta = row[:, :c], row[:, c:2 * c], row[:, 2 * c:]
        else:
            alpha, gamma, beta = (self.param(f"{name}.{p}", c)[None] for p in ("alpha", "gamma", "beta"))
        h = h + (alpha * spread)[:, :, None, None]
        return gamma[:, :, None, None] * h + beta[:, :, None, None]

    def res(self, name, x, y, out, enter, dilation):
        halves = enter and dilation == 1
        c = x.shape[1]
        h = F.elu(self.norm(name + ".normalize1", x, y))
        h = self.conv(name + ".conv1", h, c if enter else out, dilation=dilation)
        h = F.elu(self.norm(name + ".normalize2", h, y))
        if halves:
            h = F.avg_pool2d(self.conv(name + ".conv2.conv", h, out), 2)
            return h + F.avg_pool2d(self.conv(name + ".shortcut.conv", x, out, k=1), 2)
        h = self.conv(name + ".conv2", h, out, dilation=dilation)
        if enter or c != out:
            x = self.conv(name + ".shortcut", x, out, k=3 if dilation > 1 else 1, dilation=dilation)
        return x + h

    def rcu(self, name, x, y, blocks):
        for b in range(1, blocks + 1):
            h = x
            for s in (1, 2):
                if self.levels:
                    h = self.norm(f"{name}.{b}_{s}_norm", h, y)
                h = self.conv(f"{name}.{b}_{s}_conv", F.elu(h), x.shape[1], bias=False)
            x = x + h
        return x

    def refine(self, name, xs, y, out, last):
        hs = [self.rcu(f"{name}.adapt_convs.{i}", x, y, 2) for i, x in enumerate(xs)]
        if len(hs) > 1:
            total = 0
            for i, h in enumerate(hs):
                if self.levels:
                    h = self.norm(f"{name}.msf.norms.{i}", h, y)
                h = self.conv(f"{name}.msf.convs.{i}", h, out)
                total = total + F.interpolate(h, size=xs[0].shape[2:], mode="bilinear", align_corners=True)
            hs = [total]
        x = path = F.elu(hs[0])
        for i in range(2):
            if self.levels:
                path = self.norm(f"{name}.crp.norms.{i}", path, y)
                path = F.avg_pool2d(path, 5, stride=1, padding=2)
            else:
                path = F.max_pool2d(path, 5, stride=1, padding=2)
            path = self.conv(f"{name}.crp.convs.{i}", path, path.shape[1], bias=False)
            x = x + path
        return self.rcu(name + ".output_convs", x, y, 3 if last else 1)

    def __call__(self, x, y):
        w = self.width
        tail = [("res4", "refine2", 4, 2, 2), ("res5", "refine1", 4, 4, 4)]
        levels = {  # level, refine block that reads it, channels of both, dilation (0: first level)
            64: [("res1", "refine4", 1, 1, 0), ("res2", "refine3", 2, 1, 1), ("res3", "refine2", 2, 2, 2),
                 ("res4", "refine1", 2, 2, 4)],
            128: [("res1", "refine5", 1, 1, 0), ("res2", "refine4", 2, 1, 1), ("res3", "refine3", 2, 2, 1)] + tail,
            256: [("res1", "refine5", 1, 1, 0), ("res2", "refine4", 2, 1, 1), ("res3", "refine3", 2, 2, 1),
                  ("res31", "refine31", 2, 2, 1)] + tail,
        }[self.size]
        h = self.conv("begin_conv", 2 * x - 1, w)
        layers = []
        for name, _, mult, _, dilation in levels:
            h = self.res(name + ".0", h, y, w * mult, dilation > 0, max(dilation, 1))
            h = self.res(name + ".1", h, y, w * mult, False, max(dilation, 1))
            layers.append(h)
        above = None
        for i in reversed(range(len(levels))):
            xs = [layers[i]] if above is None else [layers[i], above]
            above = self.refine(levels[i][1], xs, y, w * levels[i][3], i == 0)
        h = F.elu(self.norm("normalizer", above, y))
        return self.conv("end_conv", h, x.shape[1])


def write(path, tensors, meta):
    """safetensors: length of the header, header, data; float64 and float32."""
    head, blob = {"__metadata__": meta}, b""
    for name, (t, kind) in tensors.items():
        flat = t.detach().reshape(-1).tolist()
        data = struct.pack("<%d%s" % (len(flat), {"F64": "d", "F32": "f"}[kind]), *flat)
        head[name] = {"dtype": kind, "shape": list(t.shape), "data_offsets": [len(blob), len(blob) + len(data)]}
        blob += data
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def make(directory, name, seed, size, levels, pixels, conds):
    net = Net(seed, 8, size, levels)
    n, c = len(conds), 3
    x = (hashed(seed, 998, n * c * pixels[0] * pixels[1]) + 0.5).float().double()
    x = x.reshape(n, c, *pixels).requires_grad_()
    y = net(x, torch.tensor(conds))
    r = (math.sqrt(12) * hashed(seed, 999, y.numel())).reshape(y.shape)
    values = [net.values[k] for k in net.names]
    grads = torch.autograd.grad((y * r).sum(), [x] + values)
    dot = [(g.reshape(-1) * hashed(seed, k, g.numel())).sum() for k, g in enumerate(grads[1:])]
    norm = [g.norm() for g in grads[1:]]
    tensors = {
        "input.x": (x, "F32"), "input.cond": (torch.tensor([float(v) for v in conds]), "F32"),
        "output.y": (y, "F64"), "grad.x": (grads[0], "F64"),
        "grad.dot": (torch.stack(dot), "F64"), "grad.norm": (torch.stack(norm), "F64"),
    }
    meta = {
        "seed": str(seed), "image": "%dx%dx%d NCHW in [0,1]; the network maps x to 2x-1" % (*pixels, c),
        "cond": "level index" if levels else "not looked at",
        "config": json.dumps({"width": 8, "size": size, "levels": levels}),
        "parameters": json.dumps([[k, list(net.values[k].shape)] for k in net.names], separators=(",", ":")),
    }
    write(f"{directory}/{name}.safetensors", tensors, meta)
    print(name, sum(v.numel() for v in values), "parameters")


if __name__ == "__main__":
    out = sys.argv[1]
    make(out, "ncsn-small", 21, 64, 5, (16, 12), [3, 0])
    make(out, "ncsnv2-128-small", 22, 128, 0, (16, 20), [0, 0])
    make(out, "ncsnv2-256-small", 23, 256, 0, (24, 16), [0, 0])
