"""What a layer should have made and what it made enter; the likely cause leaves, as words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NEAR = 1e-4  # how exactly a cause must explain the difference
LAYERS_WITH_EPSILON = (
    "batch_norm",
    "layer_norm",
    "group_norm",
    "instance_norm",
    "rms_norm",
)


def likely_cause(op: str, expected: Array, found: Array) -> str:
    """One line; empty where nothing known explains it.

    Args:
        expected, found: (N, C, ...), of the layer `op`.
    """
    if expected.shape != found.shape or not expected.size:
        return ""
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    if not np.isfinite(found).all():
        return "it has values that are not finite"
    for cause in (_activation, _order, _shift, _offset, _factor, _edges, _small):
        words = cause(op, expected, found)
        if words:
            return words
    return ""


def _same(one: Array, other: Array) -> bool:
    largest = np.abs(one).max(initial=0)
    return bool(np.abs(one - other).max(initial=0) <= NEAR * max(largest, 1e-30))


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "ReLU": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "the sigmoid": lambda x: 1 / (1 + np.exp(-np.clip(x, -700, 700))),
}


def _activation(op: str, expected: Array, found: Array) -> str:
    for name, function in FUNCTIONS.items():
        if _same(expected, function(found)) and not _same(expected, found):
            return f"{name} is missing behind it"
        if _same(function(expected), found):
            return f"{name} is applied to it, which it should not be"
    return ""


def _order(op: str, expected: Array, found: Array) -> str:
    """The same numbers of a sample at other places."""
    flat = (len(expected), -1)
    ours, theirs = np.sort(expected.reshape(flat)), np.sort(found.reshape(flat))
    if not _same(ours, theirs):
        return ""
    if expected.ndim > 2:
        channels = np.sort(expected, 1), np.sort(found, 1)
        if _same(*channels):
            return "its channels are in another order"
        for axis in range(2, expected.ndim):
            if _same(expected, np.flip(found, axis)):
                return "it is mirrored"
    return (
        "it has the right numbers in another order (that of axes, such as of `flatten`)"
    )


def _shift(op: str, expected: Array, found: Array) -> str:
    """Windows that begin elsewhere: padding on the other side."""
    for axis in range(2, expected.ndim):
        if expected.shape[axis] < 3:
            continue
        inner = [slice(None)] * expected.ndim
        outer = list(inner)
        inner[axis], outer[axis] = slice(2, -1), slice(1, -2)
        if expected.shape[axis] < 5:
            inner[axis], outer[axis] = slice(1, None), slice(None, -1)
        for ours, theirs in ((inner, outer), (outer, inner)):
            if expected[tuple(ours)].size and _same(
                expected[tuple(ours)], found[tuple(theirs)]
            ):
                return "it is shifted by one pixel: the padding is on the other side"
    return ""


def _offset(op: str, expected: Array, found: Array) -> str:
    """The same number added to all of a channel."""
    apart = found - expected
    if expected.ndim < 2 or len(expected) < 2:
        return ""
    axes = (0, *range(2, expected.ndim))
    mean = apart.mean(axes, keepdims=True)
    if _same(apart, np.broadcast_to(mean, apart.shape)) and np.abs(mean).max() > 0:
        return (
            "each channel is off by a number of its own: the bias is missing or another"
        )
    return ""


def _factor(op: str, expected: Array, found: Array) -> str:
    """All of a channel multiplied by the same number."""
    axes = (0, *range(2, expected.ndim))
    power = (expected**2).sum(axes, keepdims=True)
    if (power == 0).any():
        return ""
    factor = (expected * found).sum(axes, keepdims=True) / power
    if not _same(found, expected * factor):
        return ""
    if _same(factor, np.full_like(factor, factor.flat[0])):
        return f"it is {factor.flat[0]:.6g} times as large"
    if op in LAYERS_WITH_EPSILON:
        return (
            "each channel has a factor of its own: another epsilon, or other statistics"
        )
    return "each channel has a factor of its own"


def _edges(op: str, expected: Array, found: Array) -> str:
    """Right within, wrong along the border."""
    if expected.ndim < 3 or min(expected.shape[2:]) < 3:
        return ""
    inside = (slice(None), slice(None), *[slice(1, -1)] * (expected.ndim - 2))
    if _same(expected[inside], found[inside]):
        return "only its border differs: the padding, or what it is filled with"
    return ""


def _small(op: str, expected: Array, found: Array) -> str:
    apart = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)
    if op in LAYERS_WITH_EPSILON and apart < 1e-2:
        return "a small difference: another epsilon"
    if apart < 1e-2:
        return "a small difference: another form of the function, or a constant"
    return ""
