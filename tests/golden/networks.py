#!/usr/bin/env python3
"""networks.py: a second implementation of the U-Nets, in PyTorch and float64, written from the papers' formulas.

Makes the files edm-ddpmpp-small, edm-ncsnpp-small, ncsnpp-skip-small, ncsnpp-cat-small and ncsnpp-ddpm-small of
tests/golden/networks, which the C tests read (tests/golden/README.md); it is kept to show where they come from, and
needs PyTorch only to make them again:

    python3 networks.py DIRECTORY           write the five files
    python3 networks.py --exact FILE...     add the exact inputs to files made from the authors' code (exact_inputs below)
    python3 networks.py --check FILE...     compare such files with this implementation

Networks are functions of a dictionary of tensors under the published names, so that names, shapes and the order
of the parameters are all in one place. What is asked for first comes first.

SPDX-License-Identifier: BSD-3-Clause"""
import json
import math
import struct
import sys

import torch
import torch.nn.functional as F

R = math.sqrt(0.5)


# ---- parameters by formula (tests/golden/README.md) ----
def hashed(seed, k, n):
    i = torch.arange(n, dtype=torch.int64)
    h = (i * 2654435761 + ((1000 * seed + k) * 40503 + 12345)) % 2**32
    h = h ^ (h >> 15)
    # 64 bits hold a product of 32-bit numbers only modulo 2^64 with a sign; in two halves it fits
    h = ((h & 0xFFFF) * 2246822519 + (((h >> 16) * 2246822519) % 2**16) * 2**16) % 2**32
    h = h ^ (h >> 13)
    return h.double() / 2**32 - 0.5


class Parameters:
    """p(name, *shape): the tensor of that name, made when it is asked for the first time."""

    def __init__(self, seed):
        self.seed, self.tensor, self.fixed = seed, {}, {}

    def __call__(self, name, *shape):
        if name not in self.tensor:
            n = math.prod(shape)
            vector = len(shape) == 1
            base = 1.0 if vector and name.endswith(("weight", "alpha", "gamma")) else 0.0
            scale = 0.1 if vector else 0.5 / math.sqrt(math.prod(shape[1:]))
            value = base + scale * math.sqrt(12) * hashed(self.seed, len(self.tensor), n)
            self.tensor[name] = value.float().double().reshape(shape).requires_grad_()
        return self.tensor[name]


# ---- layers ----
def conv(p, name, x, out, k=3, stride=1, pad=None):
    weight = p(name + ".weight", out, x.shape[1], k, k)
    return F.conv2d(x, weight, p(name + ".bias", out), stride, k // 2 if pad is None else pad)


def linear(p, name, x, out):
    weight = p(name + ".weight", out, x.shape[1])
    return x @ weight.T + p(name + ".bias", out)


def nin(p, name, x, out):
    w, b = p(name + ".W", x.shape[1], out), p(name + ".b", out)
    return torch.einsum("bihw,io->bohw", x, w) + b[:, None, None]


def norm(p, name, x, groups=0):
    c = x.shape[1]
    groups = groups or min(32, c // 4)
    y = x.reshape(x.shape[0], groups, -1)
    y = (y - y.mean(2, keepdim=True)) / (y.var(2, unbiased=False, keepdim=True) + 1e-6).sqrt()
    y = y.reshape(x.shape)
    return y * p(name + ".weight", c)[:, None, None] + p(name + ".bias", c)[:, None, None]


def silu(x):
    return x * torch.sigmoid(x)


def attention(q, k, v):
    b, c, h, w = q.shape
    q, k, v = (z.reshape(b, c, h * w) for z in (q, k, v))
    a = torch.softmax(torch.einsum("bcq,bck->bqk", q, k) / math.sqrt(c), dim=2)
    return torch.einsum("bqk,bck->bcq", a, v).reshape(b, c, h, w)


def positional(t, width):
    half = width // 2
    a = t[:, None] * torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float64) / (half - 1))
    return torch.cat([a.sin(), a.cos()], 1)


def fourier(u, w):
    a = 2 * math.pi * u[:, None] * w
    return torch.cat([a.sin(), a.cos()], 1)


# ---- the filter, spelled as a convolution of each channel with outer(f, f) ----
def kernel(taps, channels, gain):
    f = torch.tensor(taps, dtype=torch.float64)
    f = torch.outer(f, f) / f.sum() ** 2 * gain
    return f.expand(channels, 1, *f.shape)


def down(x, taps):
    return F.conv2d(x, kernel(taps, x.shape[1], 1), stride=2, padding=(len(taps) - 1) // 2, groups=x.shape[1])


def up(x, taps):
    return F.conv_transpose2d(x, kernel(taps, x.shape[1], 4), stride=2, padding=(len(taps) - 1) // 2, groups=x.shape[1])


# ---- EDM's SongUNet under EDM's names (Karras et al. 2022, appendix F.1) ----
def edm_block(p, name, x, e, out, taps, resample=None, attend=False):
    h = silu(norm(p, name + ".norm0", x))
    if resample:
        h = resample(h, taps)
    h = conv(p, name + ".conv0", h, out)
    h = h + linear(p, name + ".affine", e, out)[:, :, None, None]
    h = conv(p, name + ".conv1", silu(norm(p, name + ".norm1", h)), out)
    if resample:
        x = resample(x, taps)
    if resample or x.shape[1] != out:
        x = conv(p, name + ".skip", x, out, k=1)
    x = (h + x) * R
    if attend:
        qkv = conv(p, name + ".qkv", norm(p, name + ".norm2", x), 3 * out, k=1)
        a = attention(*(qkv.reshape(x.shape[0], out, 3, *x.shape[2:]).unbind(2)))
        x = (conv(p, name + ".proj", a, out, k=1) + x) * R
    return x


def songunet(p, x, noise, label, augment, cfg):
    size, nf, taps = x.shape[-1], cfg["model_channels"], cfg["resample_filter"]
    if cfg["embedding_type"] == "positional":
        e = positional(noise, nf)
    else:
        e = fourier(noise, p.fixed["model.map_noise.freqs"])
    if cfg["label_dim"]:
        n = cfg["label_dim"]
        onehot = (label[:, None] == torch.arange(n)).double()
        e = e + linear(p, "model.map_label", onehot * math.sqrt(n), e.shape[1])
    e = e + augment @ p("model.map_augment.weight", e.shape[1], cfg["augment_dim"]).T
    e = silu(linear(p, "model.map_layer0", e, 4 * nf))
    e = silu(linear(p, "model.map_layer1", e, 4 * nf))

    skips, aux = [], x
    for level, mult in enumerate(cfg["channel_mult"]):
        res, c = size >> level, nf * mult
        at = f"model.enc.{res}x{res}_"
        if level == 0:
            x = conv(p, at + "conv", x, nf)
            skips.append(x)
        else:
            x = edm_block(p, at + "down", x, e, x.shape[1], taps, down)
            if cfg["encoder_type"] == "residual":
                # the fused layer: the convolution padded by one more, the filter with stride 2 but no padding, the bias last
                w, b = p(at + "aux_residual.weight", x.shape[1], aux.shape[1], 3, 3), p(at + "aux_residual.bias", x.shape[1])
                aux = F.conv2d(aux, w, padding=1 + (len(taps) - 1) // 2)
                aux = F.conv2d(aux, kernel(taps, x.shape[1], 1), stride=2, groups=x.shape[1]) + b[:, None, None]
                x = aux = (x + aux) * R
            skips.append(x)
        for i in range(cfg["num_blocks"]):
            x = edm_block(p, at + f"block{i}", x, e, c, taps, attend=res in cfg["attn_resolutions"])
            skips.append(x)
    levels = len(cfg["channel_mult"])
    for level in reversed(range(levels)):
        res, c = size >> level, nf * cfg["channel_mult"][level]
        at = f"model.dec.{res}x{res}_"
        if level == levels - 1:
            x = edm_block(p, at + "in0", x, e, c, taps, attend=True)
            x = edm_block(p, at + "in1", x, e, c, taps)
        else:
            x = edm_block(p, at + "up", x, e, x.shape[1], taps, up)
        for i in range(cfg["num_blocks"] + 1):
            attend = i == cfg["num_blocks"] and res in cfg["attn_resolutions"]
            x = edm_block(p, at + f"block{i}", torch.cat([x, skips.pop()], 1), e, c, taps, attend=attend)
    x = silu(norm(p, f"model.dec.{size}x{size}_aux_norm", x))
    return conv(p, f"model.dec.{size}x{size}_aux_conv", x, cfg["out_channels"])


# ---- the class ncsnpp under score_sde's names (Song et al. 2021, appendix H) ----
class Modules:
    def __init__(self):
        self.k = -1

    def __call__(self):
        self.k += 1
        return f"all_modules.{self.k}"


def joined(cfg, x, h):
    return (x + h) * (R if cfg["skip_rescale"] else 1)


def song_attention(p, name, cfg, x, groups):
    h = norm(p, name + ".GroupNorm_0", x, groups)
    q, k, v = (nin(p, f"{name}.NIN_{i}", h, x.shape[1]) for i in range(3))
    return joined(cfg, x, nin(p, name + ".NIN_3", attention(q, k, v), x.shape[1]))


def song_block(p, name, cfg, x, temb, out, groups, resample=None, taps=None):
    h = silu(norm(p, name + ".GroupNorm_0", x, groups))
    if resample:
        h, x = resample(h, taps), resample(x, taps)
    h = conv(p, name + ".Conv_0", h, out)
    h = h + linear(p, name + ".Dense_0", silu(temb), out)[:, :, None, None]
    h = conv(p, name + ".Conv_1", silu(norm(p, name + ".GroupNorm_1", h, groups)), out)
    if resample or x.shape[1] != out:
        ddpm = cfg["name"] == "ddpm" or cfg["resblock_type"] == "ddpm"
        x = nin(p, name + ".NIN_0", x, out) if ddpm else conv(p, name + ".Conv_2", x, out, k=1)
    return joined(cfg, x, h)


def pyramid_down(p, name, x, out, taps):
    """FIR with pads (2,2), then 3x3 with stride 2 and no padding."""
    x = F.pad(x, (2, 2, 2, 2))
    x = F.conv2d(x, kernel(taps, x.shape[1], 1), groups=x.shape[1])
    return conv(p, name + ".Conv2d_0", x, out, stride=2, pad=0)


def pyramid_up(p, name, x, out, taps):
    """The transposed 3x3 of stride 2 (of the turned kernel), then the FIR with gain 4 and pads (1,1)."""
    w, b = p(name + ".Conv2d_0.weight", out, x.shape[1], 3, 3), p(name + ".Conv2d_0.bias", out)
    x = F.conv_transpose2d(x, w.flip(2, 3).transpose(0, 1), stride=2)
    x = F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel(taps, out, 4), groups=out)
    return x + b[:, None, None]


def ncsnpp(p, x, cond, cfg):
    m = Modules()
    ddpm = cfg["name"] == "ddpm"
    nf, mults, blocks, size = cfg["nf"], cfg["ch_mult"], cfg["num_res_blocks"], x.shape[-1]
    taps, groups, colours = cfg["fir_kernel"] if cfg["fir"] else [1, 1], 32 if ddpm else 0, x.shape[1]
    cfg = dict(cfg, skip_rescale=cfg["skip_rescale"] and not ddpm)
    pin, pout = ("none", "none") if ddpm else (cfg["progressive_input"], cfg["progressive"])
    if cfg["embedding_type"] == "fourier":
        temb = fourier(cond.log(), p.fixed[m() + ".W"])
    else:
        temb = positional(cond, nf)
    temb = linear(p, m(), temb, 4 * nf)
    temb = linear(p, m(), silu(temb), 4 * nf)

    def block(h, out, resample=None):
        return song_block(p, m(), cfg, h, temb, out, groups, resample, taps)

    pyramid = x
    hs = [conv(p, m(), x, nf)]
    for level, mult in enumerate(mults):
        for _ in range(blocks):
            h = block(hs[-1], nf * mult)
            if size >> level in cfg["attn_resolutions"]:
                h = song_attention(p, m(), cfg, h, groups)
            hs.append(h)
        if level == len(mults) - 1:
            break
        if ddpm:
            h = conv(p, m() + ".Conv_0", F.pad(h, (0, 1, 0, 1)), h.shape[1], stride=2, pad=0)
        elif cfg["resblock_type"] == "ddpm":
            h = pyramid_down(p, m(), h, h.shape[1], taps)
        else:
            h = block(h, h.shape[1], down)
        if pin == "residual":
            h = pyramid = joined(cfg, pyramid_down(p, m(), pyramid, h.shape[1], taps), h)
        elif pin == "input_skip":
            pyramid = down(pyramid, taps)
            q = conv(p, m() + ".Conv_0", pyramid, h.shape[1], k=1)
            h = q + h if cfg["progressive_combine"] == "sum" else torch.cat([q, h], 1)
        hs.append(h)

    c = nf * mults[-1]
    h = block(hs[-1], c)
    h = song_attention(p, m(), cfg, h, groups)
    h = block(h, c)

    for level in reversed(range(len(mults))):
        for _ in range(blocks + 1):
            h = block(torch.cat([h, hs.pop()], 1), nf * mults[level])
        if size >> level in cfg["attn_resolutions"]:
            h = song_attention(p, m(), cfg, h, groups)
        first = level == len(mults) - 1
        if pout == "output_skip":
            q = conv_of_norm(p, m, h, colours)
            pyramid = q if first else up(pyramid, taps) + q
        elif pout == "residual":
            if first:
                pyramid = conv_of_norm(p, m, h, h.shape[1])
            else:
                h = pyramid = joined(cfg, pyramid_up(p, m(), pyramid, h.shape[1], taps), h)
        if level > 0 and ddpm:
            h = conv(p, m() + ".Conv_0", h.repeat_interleave(2, 2).repeat_interleave(2, 3), h.shape[1])
        elif level > 0 and cfg["resblock_type"] == "ddpm":
            h = pyramid_up(p, m(), h, h.shape[1], taps)
        elif level > 0:
            h = block(h, h.shape[1], up)
    if pout == "output_skip":
        h = pyramid
    else:
        h = silu(norm(p, m(), h, groups))
        h = conv(p, m(), h, colours)
    return h / cond[:, None, None, None] if cfg["scale_by_sigma"] else h


def conv_of_norm(p, m, h, out):
    h = silu(norm(p, m(), h))
    return conv(p, m(), h, out)


# ---- safetensors: a length, a JSON header, raw little-endian numbers ----
TYPES = {torch.float32: "F32", torch.float64: "F64"}


def write(path, tensors, meta):
    header, at, blob = {"__metadata__": meta}, 0, b""
    for name, t in tensors.items():
        raw = struct.pack("<%d%s" % (t.numel(), "f" if t.dtype == torch.float32 else "d"), *t.detach().flatten().tolist())
        header[name] = {"dtype": TYPES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        blob += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def read(path, native=False):
    with open(path, "rb") as f:
        data = f.read()
    n = struct.unpack("<Q", data[:8])[0]
    header, tensors = json.loads(data[8:8 + n]), {}
    meta = header.pop("__metadata__")
    for name, h in header.items():
        raw, kind = data[8 + n + h["data_offsets"][0]:8 + n + h["data_offsets"][1]], h["dtype"]
        size = {"F32": 4, "F64": 8}[kind]
        values = struct.unpack("<%d%s" % (len(raw) // size, {4: "f", 8: "d"}[size]), raw)
        kind = torch.float32 if native and size == 4 else torch.float64
        tensors[name] = torch.tensor(values, dtype=kind).reshape(h["shape"])
    return tensors, meta


# ---- gradients and files ----
def gradients(p, x, y, seed):
    r = math.sqrt(12) * hashed(seed, 999, y.numel()).reshape(y.shape)
    names = list(p.tensor)
    g = torch.autograd.grad((y * r).sum(), [x] + [p.tensor[n] for n in names])
    dot = [float((d.flatten() * hashed(seed, k, d.numel())).sum()) for k, d in enumerate(g[1:])]
    size = [float(d.norm()) for d in g[1:]]
    return g[0], torch.tensor(dot, dtype=torch.float64), torch.tensor(size, dtype=torch.float64)


def make(path, seed, cfg, net, cond, what, extra=None, fixed=None, keep=False):
    p = Parameters(seed)
    p.fixed = fixed or {}
    extra = extra or {}
    torch.manual_seed(seed)
    x = torch.randn(2, 3, 16, 16).double().requires_grad_()
    cond = torch.tensor(cond).double()
    y = net(p, x, cond, *[v.double() for v in extra.values()], cfg)
    gx, dot, size = gradients(p, x, y, seed)
    out = {"input.x": x.float(), "input.cond": cond.float()}
    out.update({"input." + k: v for k, v in extra.items()})
    out.update({"output.y": y, "grad.x": gx, "grad.dot": dot, "grad.norm": size})
    if keep:
        out.update({k: v.float() for k, v in p.fixed.items()})
        out.update({k: v.float() for k, v in p.tensor.items()})
    else:
        out.update({"fixed." + k: v.float() for k, v in p.fixed.items()})
    meta = {"config": json.dumps(cfg), "image": "16x16x3 NCHW", "cond": what, "seed": str(seed),
            "parameters": json.dumps([[k, list(v.shape)] for k, v in p.tensor.items()])}
    write(path, out, meta)
    print(path, len(p.tensor), "tensors", sum(v.numel() for v in p.tensor.values()), "parameters")


EDM = dict(img_resolution=16, in_channels=3, out_channels=3, label_dim=5, augment_dim=9, model_channels=16,
           channel_mult=[1, 2], num_blocks=1, attn_resolutions=[8])
SONG = dict(name="ncsnpp", nf=16, ch_mult=[1, 1, 2], num_res_blocks=1, attn_resolutions=[4], fir=True,
            fir_kernel=[1, 3, 3, 1], skip_rescale=True, resblock_type="biggan", embedding_type="fourier", fourier_scale=16,
            scale_by_sigma=True)


def make_all(folder):
    extra = {"label": torch.tensor([3.0, -1.0]),
             "augment": (hashed(7, 0, 18) * 2).float().reshape(2, 9)}
    freqs = (16 * math.sqrt(12) * hashed(7, 1, 16)).float().double()
    make(folder + "/edm-ddpmpp-small.safetensors", 21,
         dict(EDM, embedding_type="positional", encoder_type="standard", resample_filter=[1, 1]),
         songunet, [0.7, -0.4], "noise label", extra, keep=True)
    make(folder + "/edm-ncsnpp-small.safetensors", 22,
         dict(EDM, embedding_type="fourier", encoder_type="residual", resample_filter=[1, 3, 3, 1]),
         songunet, [0.7, -0.4], "noise label", extra, {"model.map_noise.freqs": freqs}, keep=True)
    make(folder + "/ncsnpp-skip-small.safetensors", 23,
         dict(SONG, progressive="output_skip", progressive_input="input_skip", progressive_combine="sum"),
         ncsnpp, [0.3, 20.0], "sigma", fixed={"all_modules.0.W": freqs})
    make(folder + "/ncsnpp-cat-small.safetensors", 24,
         dict(SONG, progressive="residual", progressive_input="input_skip", progressive_combine="cat"),
         ncsnpp, [0.3, 20.0], "sigma", fixed={"all_modules.0.W": freqs})
    make(folder + "/ncsnpp-ddpm-small.safetensors", 25,
         dict(SONG, progressive="none", progressive_input="residual", resblock_type="ddpm", embedding_type="positional",
              skip_rescale=False, scale_by_sigma=False),
         ncsnpp, [250.5, 12.0], "labels = 999 t")


def exact_inputs(tensors, meta):
    """The inputs before they were rounded to float32 for the file: the authors' code ran on these.

    x is a draw of a known seed and the conditions are short decimals; both round to what the file holds. The Fourier
    frequencies are found from the outputs, 16 unknowns of 1536 equations, whose residual is then zero to rounding."""
    x, c = tensors["input.x"], tensors["input.cond"]
    for draw, seed in ((torch.randn, 7), (torch.rand, 9)):
        torch.manual_seed(seed)
        z = draw(x.shape, dtype=torch.float64)
        if torch.equal(z.float().double(), x):
            break
    else:
        sys.exit("no seed gives the images")
    cond = torch.tensor([float("%.6g" % v) for v in c.tolist()], dtype=torch.float64)
    assert torch.equal(cond.float().double(), c)
    out = {"exact.x": z, "exact.cond": cond}
    name = "all_modules.0.W"
    if "model." + name in tensors:
        cfg, p, stored = json.loads(meta["config"]), Parameters(int(meta["seed"])), tensors["model." + name]

        def of(w):
            p.fixed = {name: w}
            with torch.no_grad():
                return (ncsnpp(p, z, cond, cfg) * cond[:, None, None, None]).flatten()

        want, w, h = (tensors["output.y"] * cond[:, None, None, None]).flatten(), stored.clone(), 1e-5
        for _ in range(3):
            columns = [(of(w + h * e) - of(w - h * e)) / (2 * h) for e in torch.eye(len(w), dtype=torch.float64)]
            w = w + torch.linalg.lstsq(torch.stack(columns, 1), (want - of(w))[:, None]).solution[:, 0]
        assert torch.equal(w.float().double(), stored)
        print("frequencies: residual", float((want - of(w)).abs().max()))
        out["exact." + name] = w
    return out


def add_exact(path):
    tensors, meta = read(path, native=True)
    tensors = {k: v for k, v in tensors.items() if not k.startswith("exact.")}
    tensors.update(exact_inputs({k: v.double() for k, v in tensors.items()}, meta))
    write(path, tensors, meta)


def check(path):
    tensors, meta = read(path)
    p = Parameters(int(meta["seed"]))
    p.fixed = {k[6:]: v for k, v in tensors.items() if k == "exact.all_modules.0.W"}
    x = tensors["exact.x"].requires_grad_()
    y = ncsnpp(p, x, tensors["exact.cond"], json.loads(meta["config"]))
    assert [[k, list(v.shape)] for k, v in p.tensor.items()] == json.loads(meta["parameters"]), "other parameters"
    for name, ours in zip(("output.y", "grad.x", "grad.dot", "grad.norm"), (y, *gradients(p, x, y, p.seed))):
        print(path, name, "largest difference", float((ours - tensors[name]).abs().max()), "of",
              float(tensors[name].abs().max()))


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] in ("--check", "--exact"):
        for arg in sys.argv[2:]:
            check(arg) if sys.argv[1] == "--check" else add_exact(arg)
    elif len(sys.argv) == 2:
        make_all(sys.argv[1])
    else:
        sys.exit(__doc__)
