"""Convolution by channel and separable convolution."""

import numpy as np


def by_channel(kernel):
    """(C M, 1, spatial...) to (spatial..., C, M), or to (spatial..., 1, C M): the same numbers."""
    return np.moveaxis(kernel[:, 0], 0, -1)


def depthwise(tensors, values):
    found = {"kernel": by_channel(tensors["weight"])}
    return found | ({"bias": tensors["bias"]} if "bias" in tensors else {})


def separable(tensors, values):
    """One layer, or one for each part."""
    kernel = by_channel(tensors["depthwise.weight"])
    mixing = np.moveaxis(tensors["pointwise.weight"], (1, 0), (-2, -1))
    bias = tensors.get("pointwise.bias")
    whole = {"depthwise_kernel": kernel, "pointwise_kernel": mixing}
    parts = {"depthwise.kernel": kernel, "pointwise.kernel": mixing}
    if bias is not None:
        whole["bias"] = parts["pointwise.bias"] = bias
    return [whole, parts]


LAYOUTS = {"depthwise_conv": depthwise, "separable_conv": separable}
