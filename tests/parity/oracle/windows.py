"""Convolution and pooling: padding is always explicit."""

import math

import torch
import torch.nn.functional as F
from oracle.activations import activated
from oracle.constants import connected


def windows(values, x):
    """Kernel, stride, dilation, padding (before, after) and overhang of `ceil`, by axis."""
    sizes = x.shape[2:]
    padding = values["padding"]
    if isinstance(padding, list) and len(padding) == len(sizes):
        padding = [side for amount in padding for side in (amount, amount)]
    found = []
    for axis, size in enumerate(sizes):
        k, s, d = (
            value[axis] if isinstance(value, list) else value
            for value in (
                values["kernel"],
                values["kernel"] if values["stride"] is None else values["stride"],
                values.get("dilation", 1),
            )
        )
        extent = (k - 1) * d + 1
        if padding == "same":
            total = max((math.ceil(size / s) - 1) * s + extent - size, 0)
            sides = (total // 2, total - total // 2)
        elif padding == "valid":
            sides = (0, 0)
        elif isinstance(padding, list):
            sides = (padding[2 * axis], padding[2 * axis + 1])
        else:
            sides = (padding, padding)
        over = 0
        if values["rounding"] == "ceil":
            padded = size + sum(sides)
            last = math.ceil((padded - extent) / s) * s
            last -= s if last >= size + sides[0] else 0  # starts in the padding after
            over = last + extent - padded  # negative: what the dropped window read
        found.append((k, s, d, sides, over))
    return found


def pad(x, sides, value=0.0):
    """Sides are (before, after), the first axis first."""
    return F.pad(x, [n for pair in reversed(sides) for n in pair], value=value)


def convolve(node, own, xs, learns):
    (x,), values = xs, node["values"]
    kernels, strides, dilations, sides, _ = zip(*windows(values, x), strict=True)
    function = (F.conv1d, F.conv2d, F.conv3d)[len(kernels) - 1]
    padded, groups = pad(x, sides), values["groups"]
    kernel = connected(node, own["weight"], x.shape[1])
    y = function(padded, kernel, own.get("bias"), strides, 0, dilations, groups)
    return [activated(values, y)]


def unfolded(x, kernels, strides):
    """(N, C, H, W) to (N, C, H', W', F x F): the pixels of each window."""
    for axis, (kernel, stride) in enumerate(zip(kernels, strides, strict=True)):
        x = x.unfold(2 + axis, kernel, stride)
    return x.flatten(-len(kernels))


def largest(node, own, xs, learns):
    (x,), values = xs, node["values"]
    kernels, strides, _, sides, over = zip(*windows(values, x), strict=True)
    padded = pad(
        x, [(a, b + o) for (a, b), o in zip(sides, over, strict=True)], -math.inf
    )
    return [unfolded(padded, kernels, strides).amax(-1)]


def mean(node, own, xs, learns):
    """Over the pixels and, where the padding counts, its zeros; never over what hangs over."""
    (x,), values = xs, node["values"]
    kernels, strides, _, sides, over = zip(*windows(values, x), strict=True)
    beyond = [(0, o) for o in over]
    counted = pad(torch.ones_like(x), sides, float(values["count_padding"]))
    counts = unfolded(pad(counted, beyond), kernels, strides).sum(-1)
    sums = unfolded(pad(pad(x, sides), beyond), kernels, strides).sum(-1)
    return [sums / counts]


def norm(node, own, xs, learns):
    (x,), values = xs, node["values"]
    kernels, strides, _, sides, over = zip(*windows(values, x), strict=True)
    padded = pad(x, [(a, b + o) for (a, b), o in zip(sides, over, strict=True)])
    powers = unfolded(padded, kernels, strides).abs() ** values["order"]
    return [powers.sum(-1) ** (1 / values["order"])]


def of_all(node, own, xs, learns):
    """Over all pixels of a map; over all positions of a sequence."""
    (x,) = xs
    is_sequence = node["layouts"][0] == "sequence"
    axes = [1] if is_sequence else list(range(2, x.dim()))
    keep = node["values"]["keep"]
    if node["op"] == "global_avg_pool":
        return [x.mean(axes, keepdim=keep)]
    return [x.amax(axes, keepdim=keep)]


def adaptive(node, own, xs, learns):
    (x,), size = xs, node["values"]["size"]
    for axis in range(2, x.dim()):
        have, wanted = x.shape[axis], size[axis - 2] if isinstance(size, list) else size
        rows = []
        for i in range(wanted):
            start, end = i * have // wanted, -(-(i + 1) * have // wanted)
            window = x.narrow(axis, start, end - start)
            is_mean = node["op"] == "adaptive_avg_pool"
            rows.append(window.mean(axis) if is_mean else window.amax(axis))
        x = torch.stack(rows, axis)
    return [x]


EVALUATE = {
    "conv": convolve,
    "max_pool": largest,
    "avg_pool": mean,
    "lp_pool": norm,
    **dict.fromkeys(("global_avg_pool", "global_max_pool"), of_all),
    **dict.fromkeys(("adaptive_avg_pool", "adaptive_max_pool"), adaptive),
}
