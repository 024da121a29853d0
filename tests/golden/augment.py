#!/usr/bin/env python3
"""Golden values of EDM's augmentation, for tests/check_augment.c, with PyTorch in double precision.

    python3 tests/golden/augment.py      writes tests/golden/augment-12x10x3.npy and augment-32x32x1.npy

Written from the description (Karras et al. 2022, appendix F.2; Karras et al. 2020, appendix B), apart from the library: the image
is padded, filled with zeros, filtered, sampled and filtered as a whole by PyTorch's own operations. Also prints how far results
are from those with the margin that one image or a batch asks for.

A row: the drawn transform (8), the matrix (6), labels (9), the transformed image. The image of height h and width w at (y,x,c) is
sin(1 + 0.7 y + 1.3 x + 2.1 c + 0.05 x y).
SPDX-License-Identifier: BSD-3-Clause"""
import math
import os
import struct
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
SYM6 = torch.tensor([
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148])


def matrix(rows):
    return torch.tensor(rows, dtype=torch.float64)


def shift(x, y):
    return matrix([[1, 0, x], [0, 1, y], [0, 0, 1]])


def scale(x, y):
    return matrix([[x, 0, 0], [0, y, 0], [0, 0, 1]])


def rotation(a):
    return matrix([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])


def inverse_map(p, h, w):
    """p: x-flip, y-flip, scale, angle, stretch, axis, shift x, shift y; flips are not part of it."""
    forward = [scale(2 ** (.2 * p[2]), 2 ** (.2 * p[2])), rotation(-p[3]), rotation(p[5]),
               scale(2 ** (.2 * p[4]), 2 ** (-.2 * p[4])), rotation(-p[5]), shift(p[6] * w / 8, p[7] * h / 8)]
    g = torch.eye(3)
    for m in forward:
        g = g @ torch.linalg.inv(m)
    return g


def labels(p):
    return [p[0], p[1], p[2], math.cos(p[3]) - 1, math.sin(p[3]), p[4] * math.cos(p[5]), p[4] * math.sin(p[5]), p[6], p[7]]


def margins(maps, h, w):
    """What the corners of a batch of images ask for: left, top, right, bottom."""
    cx, cy = (w - 1) / 2, (h - 1) / 2
    corners = matrix([[-cx, -cy, 1], [cx, -cy, 1], [cx, cy, 1], [-cx, cy, 1]])
    at = torch.cat([corners @ g.T for g in maps])
    need = torch.tensor([-at[:, 0].min(), -at[:, 1].min(), at[:, 0].max(), at[:, 1].max()])
    need = need + torch.tensor([6 - cx, 6 - cy, 6 - cx, 6 - cy])
    most = torch.tensor([w - 1, h - 1, w - 1, h - 1], dtype=torch.float64)
    return [int(v) for v in torch.minimum(need.clamp(min=0), most).ceil()]


def correlate(x, axis, kernel, stride=1, pad=0):
    k = kernel.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)).repeat(x.shape[1], 1, 1, 1)
    s, p = ((stride, 1), (pad, 0)) if axis == 2 else ((1, stride), (0, pad))
    return F.conv2d(x, k, stride=s, padding=p, groups=x.shape[1])


def fill(x, axis):
    """Zeros between neighbours."""
    out = list(x.shape)
    out[axis] = 2 * out[axis] - 1
    y = torch.zeros(out)
    y[(slice(None),) * axis + (slice(0, None, 2),)] = x
    return y


def warp(x, g, margin):
    """x (1,c,h,w)."""
    h, w = x.shape[2:]
    left, top, right, bottom = margin
    x = F.pad(x, [left, right, top, bottom], mode="reflect")
    g = shift((left - right) / 2, (top - bottom) / 2) @ g
    for axis in (3, 2):
        x = correlate(fill(x, axis), axis, SYM6.flip(0), pad=6)
    g = scale(2, 2) @ g @ scale(.5, .5)
    g = shift(-.5, -.5) @ g @ shift(.5, .5)
    size = [1, x.shape[1], 2 * (h + 6), 2 * (w + 6)]
    theta = scale(2 / x.shape[3], 2 / x.shape[2]) @ g @ scale(size[3] / 2, size[2] / 2)
    grid = F.affine_grid(theta[None, :2], size, align_corners=False)
    x = F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    x = correlate(x, 3, SYM6, stride=2, pad=5)[:, :, :, 3:-3]
    return correlate(x, 2, SYM6, stride=2, pad=5)[:, :, 3:-3]


def augment(x, p, margin=None):
    h, w = x.shape[2:]
    if p[0]:
        x = x.flip(3)
    if p[1]:
        x = x.flip(2)
    return warp(x, inverse_map(p, h, w), margin or [w - 1, h - 1, w - 1, h - 1])


def image(h, w, c):
    y, x, k = torch.arange(h)[None, :, None], torch.arange(w)[None, None, :], torch.arange(c)[:, None, None]
    return torch.sin(1 + .7 * y + 1.3 * x + 2.1 * k + .05 * x * y)[None]


SINGLE = [[0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0], [0, 0, .9, 0, 0, 0, 0, 0],
          [0, 0, -1.7, 0, 0, 0, 0, 0], [0, 0, 0, .8, 0, 0, 0, 0], [0, 0, 0, 0, 1.2, 0, 0, 0], [0, 0, 0, 0, -.6, 2.2, 0, 0],
          [0, 0, 0, 0, 0, 0, .7, -1.1]]
MIXED = [[1, 1, -.4, -2.5, .3, -.9, 1.3, .2], [0, 1, .5, 3.0, 0, 0, -.8, 2.1], [1, 0, -3.5, .4, -2.5, 1.0, -3.0, 4.0],
         [0, 0, 2.0, -1.0, 2.5, .3, 5.0, -5.0]]


def write_npy(name, x):
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }" % (tuple(x.shape),)
    head += " " * (63 - (len(head) + 10) % 64) + "\n"
    with open(name, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        f.write(struct.pack("<%dd" % x.numel(), *x.reshape(-1).tolist()))


def main():
    for h, w, c, cases in ((12, 10, 3, SINGLE + MIXED), (32, 32, 1, MIXED)):
        x, rows = image(h, w, c), []
        for p in cases:
            out = augment(x, p)[0].permute(1, 2, 0).reshape(-1)
            rows.append(torch.cat([torch.tensor(p, dtype=torch.float64), inverse_map(p, h, w)[:2].reshape(-1),
                                   torch.tensor(labels(p), dtype=torch.float64), out]))
        name = os.path.join(os.path.dirname(os.path.abspath(__file__)), "augment-%dx%dx%d.npy" % (h, w, c))
        write_npy(name, torch.stack(rows))
        batch = margins([inverse_map(p, h, w) for p in cases], h, w)
        print("%dx%d: margins of the batch %s" % (h, w, batch))
        for p in cases:
            own = margins([inverse_map(p, h, w)], h, w)
            full = augment(x, p)
            print("  %s margin %s: largest difference %.2g, with the batch's margin %.2g" % (
                p, own, (augment(x, p, own) - full).abs().max(), (augment(x, p, batch) - full).abs().max()))
    # random draws of EDM's size: how often does the margin show?
    torch.manual_seed(1)
    x, wrong, worst, n = image(32, 32, 1), 0, 0., 64
    draws = []
    for _ in range(n):
        on = torch.rand(4) < .12
        z, a = torch.randn(4), (2 * torch.rand(2) - 1) * math.pi
        draws.append([0, 0, float(z[0] * on[0]), float(a[0] * on[1]), float(z[1] * on[2]), float(a[1] * on[2]),
                      float(z[2] * on[3]), float(z[3] * on[3])])
    batch = margins([inverse_map(p, 32, 32) for p in draws], 32, 32)
    alone = [float((augment(x, p, margins([inverse_map(p, 32, 32)], 32, 32)) - augment(x, p)).abs().max()) for p in draws]
    together = [float((augment(x, p, batch) - augment(x, p)).abs().max()) for p in draws]
    print("64 draws: margins of the batch %s; own margin differs (> 1e-12) in %d, at most %.2g; the batch's in %d, %.2g" % (
        batch, sum(d > 1e-12 for d in alone), max(alone), sum(d > 1e-12 for d in together), max(together)))


if __name__ == "__main__":
    main()
