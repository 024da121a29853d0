#!/usr/bin/env python3
# peer.py: the same work in PyTorch, for bench. Reads a request a line, answers with the seconds of one run.
#
#     python3 peer.py [threads] [eager|compile] [cuda]
#
# On a device: bfloat16 by autocast, TF32 elsewhere, fused Adam, cuDNN's own trials; compiled means with CUDA graphs, and each request is
# timed compiled and eager, whichever is faster.
# Every request is tried in the layouts NCHW and channels_last first and timed in the faster one; optimisers in
# the `foreach` form, the faster one. For PyTorch at its best give it an OpenMP build of BLAS and a malloc that keeps its pages
# (bench.sh does both).
# SPDX-License-Identifier: BSD-3-Clause
import math
import resource
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
DEVICE = sys.argv[3] if len(sys.argv) > 3 else "cpu"
CUDA = DEVICE != "cpu"
torch.set_num_threads(THREADS)
torch.set_flush_denormal(True)
torch.manual_seed(0)
if CUDA:
    torch.set_default_device(DEVICE)
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
COMPILE = len(sys.argv) > 2 and sys.argv[2] == "compile"
LAYOUTS = (torch.contiguous_format, torch.channels_last)
ROOT_HALF = math.sqrt(0.5)


def norm(c):
    return nn.GroupNorm(min(c // 4, 32), c, eps=1e-6)


class Residual(nn.Module):
    """norm, SiLU, 3x3, plus the embedding, norm, SiLU, 3x3, plus the input; halves or doubles the image if asked."""

    def __init__(self, ci, co, width, resample=None):
        super().__init__()
        self.norm0, self.conv0 = norm(ci), nn.Conv2d(ci, co, 3, padding=1)
        self.dense = nn.Linear(width, co)
        self.norm1, self.conv1 = norm(co), nn.Conv2d(co, co, 3, padding=1)
        self.skip = nn.Conv2d(ci, co, 1) if ci != co or resample else None
        self.resample = resample

    def forward(self, x, e):
        h = F.silu(self.norm0(x))
        if self.resample == "down":
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        elif self.resample == "up":
            h, x = F.interpolate(h, scale_factor=2), F.interpolate(x, scale_factor=2)
        h = self.conv0(h) + self.dense(e)[:, :, None, None]
        h = self.conv1(F.silu(self.norm1(h)))
        return (h + (x if self.skip is None else self.skip(x))) * ROOT_HALF


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm, self.qkv, self.out = norm(c), nn.Conv2d(c, 3 * c, 1), nn.Conv2d(c, c, 1)

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).permute(0, 2, 3, 1).reshape(b, h * w, 3, c).unbind(2)
        if hasattr(F, "scaled_dot_product_attention"):
            a = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            a = torch.softmax(q @ k.transpose(1, 2) * c**-0.5, -1) @ v
        return (x + self.out(a.reshape(b, h, w, c).permute(0, 3, 1, 2))) * ROOT_HALF


class UNet(nn.Module):
    def __init__(self, channels, size, width, mult, blocks, attn, resample):
        super().__init__()
        emb = 4 * width
        self.width = width
        self.dense0, self.dense1 = nn.Linear(width, emb), nn.Linear(emb, emb)
        self.inp = nn.Conv2d(channels, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        c, stack = width, [width]

        def block(ci, co, size):
            return nn.ModuleList([Residual(ci, co, emb)] + ([Attention(co)] if size in attn else []))

        for level, m in enumerate(mult):
            for _ in range(blocks):
                self.down.append(block(c, width * m, size))
                c = width * m
                stack.append(c)
            if level + 1 < len(mult):
                self.down.append(nn.ModuleList([Residual(c, c, emb, "down")]) if resample == "mean" else
                                 nn.ModuleList([nn.Conv2d(c, c, 3, stride=2, padding=1)]))
                stack.append(c)
                size //= 2
        self.middle = nn.ModuleList([Residual(c, c, emb), Attention(c), Residual(c, c, emb)])
        for level, m in reversed(list(enumerate(mult))):
            for i in range(blocks + 1):
                each = resample == "conv" or i == blocks
                self.up.append(block(c + stack.pop(), width * m, size if each else -1))
                c = width * m
            if level > 0:
                self.up.append(nn.ModuleList([Residual(c, c, emb, "up")]) if resample == "mean" else
                               nn.ModuleList([nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1)]))
                size *= 2
        self.norm, self.out = norm(c), nn.Conv2d(c, channels, 3, padding=1)

    @staticmethod
    def run(part, h, e):
        for layer in part:
            h = layer(h, e) if isinstance(layer, Residual) else layer(h)
        return h

    def forward(self, x, t):
        half = self.width // 2
        f = torch.exp(torch.arange(half, dtype=torch.float32, device=x.device) * (-math.log(10000.0) / (half - 1)))
        a = 999 * t[:, None] * f[None]
        e = F.silu(self.dense1(F.silu(self.dense0(torch.cat([a.sin(), a.cos()], 1)))))
        h = self.inp(x)
        stack = [h]
        for part in self.down:
            h = self.run(part, h, e)
            stack.append(h)
        h = self.run(self.middle, h, e)
        for part in self.up:
            first = part[0]
            joins = isinstance(first, Residual) and first.resample is None
            h = self.run(part, torch.cat([h, stack.pop()], 1) if joins else h, e)
        return self.out(F.silu(self.norm(h)))


class MLP(nn.Module):
    """2 -> 128 -> 128 -> 128 -> 2: scorefield's mlp:embed=none."""

    def __init__(self, d=2, width=128):
        super().__init__()
        size = [d, width, width, width]
        self.hidden = nn.ModuleList([nn.Linear(i, o) for i, o in zip(size, size[1:])])
        self.last = nn.Linear(width, d)

    def forward(self, x, t):
        for layer in self.hidden:
            x = F.silu(layer(x))
        return self.last(x)


class Training:
    """Denoising score matching under the VP process, Adam, clipping at 1, an average of the weights."""

    def __init__(self, net, shape, layout, compiled):
        self.net = net.to(memory_format=layout) if len(shape) == 4 else net
        self.run = self.net
        if compiled:
            self.run = torch.compile(self.net, mode="reduce-overhead") if CUDA else torch.compile(self.net)
        self.params = list(net.parameters())
        self.average = [p.detach().clone() for p in self.params]
        self.adam = torch.optim.Adam(self.params, lr=2e-4, **({"fused": True} if CUDA else {"foreach": True}))
        self.x0, self.layout = torch.rand(shape), layout

    def step(self):
        x0 = self.x0
        t = torch.rand(x0.shape[0]) * (1 - 1e-5) + 1e-5
        log_alpha = (-0.25 * 19.9 * t**2 - 0.05 * t).reshape([-1] + [1] * (x0.dim() - 1))
        z = torch.randn_like(x0)
        x = log_alpha.exp() * x0 + (-torch.expm1(2 * log_alpha)).sqrt() * z
        if x.dim() == 4:
            x = x.contiguous(memory_format=self.layout)
        with torch.autocast("cuda", torch.bfloat16, enabled=CUDA):
            y = self.run(x, t)
        loss = ((y.float() - z) ** 2).flatten(1).sum(1).mean()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        self.adam.step()
        with torch.no_grad():
            torch._foreach_mul_(self.average, 0.999)
            torch._foreach_add_(self.average, [p.detach() for p in self.params], alpha=0.001)

    def sample(self):
        with torch.no_grad(), torch.autocast("cuda", torch.bfloat16, enabled=CUDA):
            x = self.x0.contiguous(memory_format=self.layout) if self.x0.dim() == 4 else self.x0
            self.run(x, torch.full((x.shape[0],), 0.5))


def convolution(layout, kind, k, b, h, ci, co):
    x = torch.randn(b, ci, h, h).contiguous(memory_format=layout)
    w = torch.randn(co, ci, k, k).contiguous(memory_format=layout)
    g = torch.randn(b, co, h, h).contiguous(memory_format=layout)
    if kind == "forward":
        return lambda: F.conv2d(x, w, padding=k // 2)
    mask = [kind == "data", kind == "weight", False]
    p = [k // 2, k // 2]
    return lambda: torch.ops.aten.convolution_backward(g, x, w, None, [1, 1], p, [1, 1], False, [0, 0], 1, mask)


def normalise(layout, b, h, c):
    n, x = norm(c), torch.randn(b, c, h, h).contiguous(memory_format=layout)
    return lambda: F.silu(n(x))


def product(m, n, k):
    a, b = torch.randn(m, k), torch.randn(k, n)
    return lambda: a @ b


def nearest(points, d, queries):
    """Score of a mixture of equal normals on the points."""
    data, x = torch.rand(points, d), torch.rand(queries, d)
    square = (data * data).sum(1)

    def run():
        w = torch.softmax((x @ data.T - 0.5 * square) / 0.25, 1)
        return (w @ data - x) / 0.25

    return run


def unet(size, width=64):
    return UNet(1, size, width, (1, 2, 2), 2, (size // 2,), "conv")


def make(words, layout, compiled):
    """A function that does the work once, or None where the layout makes no difference and is not the first."""
    kind, n = words[0], [int(w) for w in words[1:] if w.isdigit()]
    plain = layout is LAYOUTS[0]
    if kind == "conv":
        return convolution(layout, words[1], *n)
    if kind == "norm":
        return normalise(layout, *n)
    if kind == "gemm" and plain:
        return product(*n)
    if kind == "normals" and plain:
        return lambda: torch.randn(n[0])
    if kind == "delta" and plain:
        return nearest(*n)
    if kind in ("mlp-step", "mlp-sample") and plain:
        t = Training(MLP(), (n[0], 2), layout, compiled)
        return t.step if kind == "mlp-step" else t.sample
    if kind in ("unet-step", "unet-sample"):  # batch, pixels, threads
        size = n[1] if len(n) > 1 else 28
        torch.set_num_threads(n[2] if len(n) > 2 else THREADS)
        t = Training(unet(size), (n[0], 1, size, size), layout, compiled)
        return t.step if kind == "unet-step" else t.sample
    if kind in ("ddpmpp-step", "songunet-step", "songunet-sample"):
        mult = (1, 2, 2, 2) if kind.startswith("ddpmpp") else (2, 2, 2)
        t = Training(UNet(3, 32, 128, mult, 4, (16,), "mean"), (n[0], 3, 32, 32), layout, compiled)
        return t.sample if kind.endswith("sample") else t.step
    return None


def settle():
    if CUDA:
        torch.cuda.synchronize()


def seconds(f, turns):
    """Of one run, median over turns: as the other side's (timing.c), after its threads have fallen asleep."""
    out = []
    for _ in range(turns):
        time.sleep(0.02)
        begin = time.perf_counter()
        f()
        settle()
        t = time.perf_counter() - begin
        if t >= 0.04:
            out.append(t)
            continue
        begin, n, t = time.perf_counter(), 0, 0.0
        while n < 2000 and t < 0.04:
            f()
            settle()
            n += 1
            t = time.perf_counter() - begin
        out.append(t / n)
    return statistics.median(out)


def best(words):
    found = None
    ways = [(layout, c) for layout in LAYOUTS for c in ((True, False) if CUDA and COMPILE else (COMPILE,))]
    for layout, compiled in ways:
        f = make(words, layout, compiled)
        if f is None:
            continue
        with torch.set_grad_enabled(words[0].endswith("step")):
            for _ in range(4 if CUDA else 1):  # graphs are recorded in the second or third
                f()
            t = seconds(f, 2)
        if found is None or t < found[0]:
            found = (t, f)
        f = None
    return found and found[1]


def main():
    count = "" if not COMPILE else " compiled"
    on = torch.cuda.get_device_name() + ", bf16" if CUDA else f"{torch.get_num_threads()} threads"
    print(f"PyTorch {torch.__version__}{count}, {on}", flush=True)
    last, work = None, None
    for line in sys.stdin:
        line = line.strip()
        if line == "memory" and CUDA:
            print(float(torch.cuda.max_memory_reserved()), flush=True)
            continue
        if line == "memory":
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0, flush=True)
            continue
        try:
            if line != last:
                work = None
                last, work = line, best(line.split())
            if work is None:
                print("no", flush=True)
                continue
            with torch.set_grad_enabled(line.split()[0].endswith("step")):
                print(f"{seconds(work, 1):.9g}", flush=True)
        except (RuntimeError, MemoryError) as e:
            print("no", str(e).splitlines()[0], flush=True)


main()
