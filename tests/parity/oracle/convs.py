"""Convolution by channel, separable, and transposed: kernels slide or spread, one tap at a time."""

import itertools

import torch
import torch.nn.functional as F
from oracle.activations import activated
from oracle.constants import given
from oracle.windows import pad, windows


def per_channel(values, x, kernel):
    """Channel c is convolved with the filters cM to cM + M - 1."""
    kernels, strides, dilations, sides, _ = zip(*windows(values, x), strict=True)
    function = (F.conv1d, F.conv2d, F.conv3d)[len(kernels) - 1]
    made = []
    for x_c, kernel_c in zip(
        pad(x, sides).split(1, 1), kernel.split(values["multiplier"]), strict=True
    ):
        made.append(function(x_c, kernel_c, None, strides, 0, dilations))
    return torch.cat(made, 1)


def biased(y, bias):
    if bias is None:
        return y
    return y + bias.reshape(1, -1, *(1 for _ in y.shape[2:]))


def depthwise(node, own, xs, learns):
    (x,), values = xs, node["values"]
    y = biased(per_channel(values, x, given(node, own["weight"])), own.get("bias"))
    return [activated(values, y)]


def separable(node, own, xs, learns):
    (x,), values = xs, node["values"]
    y = per_channel(values, x, own["depthwise.weight"])
    mixed = torch.einsum("nc...,kc->nk...", y, own["pointwise.weight"].flatten(1))
    return [activated(values, biased(mixed, own.get("pointwise.bias")))]


def spread_out(node, own, xs, learns):
    """Each tap of the kernel adds the input, S pixels apart, to the output; then it is cropped."""
    (x,), values, kernel = xs, node["values"], own["weight"]
    rank, groups = x.dim() - 2, values["groups"]
    strides, dilations, more = (
        value if isinstance(value, list) else [value] * rank
        for value in (values["stride"], values["dilation"], values["output_padding"])
    )
    extents = [
        (k - 1) * d + 1 for k, d in zip(kernel.shape[2:], dilations, strict=True)
    ]
    whole = [
        (n - 1) * s + e for n, s, e in zip(x.shape[2:], strides, extents, strict=True)
    ]
    y = x.new_zeros(len(x), values["filters"], *whole)
    parts = list(zip(x.chunk(groups, 1), kernel.chunk(groups), strict=True))
    for tap in itertools.product(*map(range, kernel.shape[2:])):
        added = [
            torch.einsum("nc...,ck->nk...", part, weights[(..., *tap)])
            for part, weights in parts
        ]
        starts = [t * d for t, d in zip(tap, dilations, strict=True)]
        place = tuple(
            slice(start, start + (n - 1) * s + 1, s)
            for start, n, s in zip(starts, x.shape[2:], strides, strict=True)
        )
        y[(..., *place)] += torch.cat(added, 1)
    y = biased(
        pad(y, crops(values["padding"], extents, strides, more)), own.get("bias")
    )
    return [activated(values, y)]


def crops(padding, extents, strides, more):
    """What each side gains, below zero where it loses."""
    found = []
    for axis, (extent, stride, extra) in enumerate(
        zip(extents, strides, more, strict=True)
    ):
        before = after = padding
        if padding == "valid":
            before = after = 0
        elif padding == "same":  # to the stride for each pixel, the odd one after
            before = max(extent - stride, 0) // 2
            after = extent - stride - before
        elif isinstance(padding, list) and len(padding) == len(extents):
            before = after = padding[axis]
        elif isinstance(padding, list):
            before, after = padding[2 * axis : 2 * axis + 2]
        found.append((-before, extra - after))
    return found


EVALUATE = {
    "depthwise_conv": depthwise,
    "separable_conv": separable,
    "conv_transpose": spread_out,
}
