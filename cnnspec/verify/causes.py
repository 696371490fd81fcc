"""What a layer should have made and what it made enter; the likely cause leaves, as words.

A cause must explain the numbers, all but a small share of the difference: a wrong one is worse
than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from cnnspec.shapes import SEQUENCE
from cnnspec.verify.case import Case
from cnnspec.verify.functions import ACTIVATIONS, FUNCTIONS
from cnnspec.verify.sizes import WINDOWS

Array = np.ndarray[Any, Any]

NORMS = ("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm")
NEAR_ONE = 0.35  # another epsilon changes a factor by less
WIDEST_BORDER = 3  # pixels


def likely_cause(
    op: str, expected: Array, found: Array, inputs: Sequence[Array] = ()
) -> str:
    """One line; empty where nothing known explains it.

    Args:
        expected, found: (N, C, ...), of the layer `op`; of a sequence, its features are C.
        inputs: what it reads, as it should be.
    """
    if expected.shape != found.shape or not expected.size:
        return ""
    if not np.isfinite(found).all():
        return "it has values that are not finite"
    turned = [array.astype(np.float64) for array in (expected, found, *inputs)]
    case = Case(op, turned[0], turned[1], turned[2:])
    if not case.apart:
        return ""
    with np.errstate(all="ignore"):
        return next(filter(None, (cause(case) for cause in CAUSES)), "")


def applied(value: Array, found: Array, names: Iterable[str] = ACTIVATIONS) -> str:
    """The function that makes `found` of a value (N, C, ...); empty if it is none."""
    case = Case("", value.astype(np.float64), found.astype(np.float64), ())
    if value.shape != found.shape or not case.apart or not np.isfinite(found).all():
        return ""
    with np.errstate(all="ignore"):
        fits = (n for n in names if case.is_found(FUNCTIONS[n](case.expected)))
        return next(fits, "")


def channels_second(layout: str, array: Array) -> Array:
    """(N, C, ...) of an array of that layout."""
    return np.moveaxis(array, -1, 1) if layout == SEQUENCE else array


def _zero(case: Case) -> str:
    return "" if case.found.any() else "it is zero everywhere"


def _activation(case: Case) -> str:
    for name, function in FUNCTIONS.items():
        if case.is_near(case.expected, function(case.found)):
            return f"{name} is missing behind it"
        if case.is_found(function(case.expected)):
            return f"{name} is applied to it, which it should not be"
    return ""


def _passed_on(case: Case) -> str:
    if len(case.inputs) != 1 or case.inputs[0].shape != case.found.shape:
        return ""
    (given,) = case.inputs
    if case.is_found(given):
        return "it passes on what it is given"
    for (
        name
    ) in ACTIVATIONS:  # others are steps of a layer, too, such as squares of a norm
        if case.is_found(FUNCTIONS[name](given)):
            return f"it is {name} of what it is given"
    return ""


def _merged(case: Case) -> str:
    """Several inputs of one shape, put together in another way."""
    shapes = {array.shape for array in case.inputs}
    if len(case.inputs) < 2 or shapes != {case.found.shape}:
        return ""
    every = np.stack(case.inputs)
    for number, guess in enumerate(every, 1):
        if case.is_found(guess):
            return f"it is number {number} of what it is given, alone"
    first, second = every[:2]
    ways = {
        "the sum": every.sum(0),
        "the product": every.prod(0),
        "the mean": every.mean(0),
        "the maximum": every.max(0),
        "the minimum": every.min(0),
        "the difference": first - second,
        "the difference the other way round": second - first,
        "the sum of some": every[:-1].sum(0),
    }
    for name, guess in ways.items():
        if case.is_found(guess):
            return f"it is {name} of what it is given"
    signs = every.sum(0) - 2 * every
    if any(case.is_found(guess) for guess in signs):
        return "it is the sum of what it is given, one of it with another sign"
    return ""


def _reduced(case: Case) -> str:
    """One number for all of a channel's."""
    if len(case.inputs) != 1 or case.inputs[0].ndim < 3:
        return ""
    (given,) = case.inputs
    flat = given.reshape(*given.shape[:2], -1)
    ways = {
        "the mean": flat.mean(2),
        "the maximum": flat.max(2),
        "the sum": flat.sum(2),
        "the last": flat[:, :, -1],
        "the first": flat[:, :, 0],
    }
    for name, guess in ways.items():
        same_size = guess.size == case.found.size
        if same_size and case.is_found(guess.reshape(case.found.shape)):
            return f"it is {name} of each channel"
    return ""


def _order(case: Case) -> str:
    """The same numbers of a sample at other places."""
    flat = (len(case.expected), -1)
    ours = np.sort(case.expected.reshape(flat))
    if not case.is_near(ours, np.sort(case.found.reshape(flat))):
        return ""
    if case.spatial:
        for axis in case.spatial:
            if case.is_found(np.flip(case.expected, axis)):
                return "it is mirrored"
        if case.is_near(np.sort(case.expected, 1), np.sort(case.found, 1)):
            return "its channels are in another order"
    return "it has the right numbers in another order: that of the axes"


def _shift(case: Case) -> str:
    """Windows that begin elsewhere: padding on the other side."""
    for axis in case.spatial:
        if case.expected.shape[axis] < 3:
            continue
        later, earlier = (
            tuple(part if i == axis else slice(None) for i in range(case.found.ndim))
            for part in (slice(2, -1), slice(1, -2))
        )
        if case.expected.shape[axis] < 5:
            later, earlier = (
                tuple(p if i == axis else slice(None) for i in range(case.found.ndim))
                for p in (slice(1, None), slice(None, -1))
            )
        for ours, theirs in ((later, earlier), (earlier, later)):
            same = case.is_near(case.expected[ours], case.found[ours])
            if case.is_near(case.expected[ours], case.found[theirs]) and not same:
                return "it is shifted by one pixel: the padding is on the other side"
    return ""


def _pooled(case: Case) -> str:
    """Whether values are single ones of the input, as a maximum is, or made of several."""
    if case.op not in ("max_pool", "adaptive_max_pool", "avg_pool", "upsample"):
        return ""
    if len(case.inputs) != 1:
        return ""
    (given,) = case.inputs
    taken = [_taken(value, given) for value in (case.expected, case.found)]
    if taken == [False, True]:
        return "each value is a single one of its input, not made of several"
    if taken == [True, False]:
        return "its values are made of several of its input, not single ones"
    return ""


def _taken(value: Array, given: Array) -> bool:
    known = np.append(np.unique(given), 0.0)  # zeros are padding
    known.sort()
    places = np.clip(np.searchsorted(known, value), 1, len(known) - 1)
    near = np.minimum(np.abs(known[places] - value), np.abs(known[places - 1] - value))
    return bool(near.max() <= 1e-6 * np.abs(known).max())


def _offset(case: Case) -> str:
    """The same number added to all of a channel."""
    apart = case.found - case.expected
    if len(apart) < 2:
        return ""
    mean = apart.mean((0, *case.spatial), keepdims=True)
    if not case.is_near(apart, np.broadcast_to(mean, apart.shape)):
        return ""
    if case.is_near(mean, np.full_like(mean, mean.flat[0])) and mean.size > 1:
        return f"{mean.flat[0]:.6g} is added to it"
    return "each channel is off by a number of its own: the bias is missing or another"


def _factor(case: Case) -> str:
    """All of it, or all of a channel, multiplied by the same number."""
    factor = _ratio(case, (0, *case.spatial))
    if factor is None:
        return ""
    whole = np.full_like(factor, factor.flat[0])
    if case.is_found(case.expected * whole):
        return f"it is {factor.flat[0]:.6g} times as large"
    if case.op in NORMS:
        return _of_norm(factor)
    return "each channel has a factor of its own"


def _ratio(case: Case, axes: tuple[int, ...]) -> Array | None:
    """The factor over some axes that explains it."""
    power = (case.expected**2).sum(axes, keepdims=True)
    mixed = (case.expected * case.found).sum(axes, keepdims=True)
    factor: Array = np.divide(mixed, power, out=np.ones_like(power), where=power > 0)
    return factor if case.is_found(case.expected * factor) else None


def _of_norm(factor: Array) -> str:
    near = np.abs(factor - 1).max() <= NEAR_ONE
    if near and ((factor <= 1).all() or (factor >= 1).all()):
        return "its values are spread a bit otherwise: another epsilon"
    return "it is scaled otherwise: its scale is missing, or it has other statistics"


def _spread(case: Case) -> str:
    """A norm whose channels, or a sample's, have a factor and an offset."""
    if case.op in (*WINDOWS, "dense"):
        return _but_for_bias(case)
    if case.op not in NORMS:
        return ""
    every = tuple(range(1, case.expected.ndim))
    for axes in (every, (1,)):
        factor = _ratio(case, axes)
        if factor is not None and case.expected.shape[1] > 2:
            return _of_norm(factor)
    for axes in ((0, *case.spatial), case.spatial):
        if not axes or np.prod([case.expected.shape[axis] for axis in axes]) < 4:
            continue
        ours = case.expected - case.expected.mean(axes, keepdims=True)
        theirs = case.found - case.found.mean(axes, keepdims=True)
        power = (ours**2).sum(axes, keepdims=True)
        mixed = (ours * theirs).sum(axes, keepdims=True)
        factor = np.divide(mixed, power, out=np.ones_like(power), where=power > 0)
        if case.is_near(ours * factor, theirs):
            return _of_norm(factor)
    return ""


def _but_for_bias(case: Case) -> str:
    axes = (0, *case.spatial)
    ours = case.expected - case.expected.mean(axes, keepdims=True)
    theirs = case.found - case.found.mean(axes, keepdims=True)
    power = (ours**2).sum()
    factor = float((ours * theirs).sum() / power) if power else 0.0
    if power and case.is_near(ours * factor, theirs):
        return f"but for its bias it is {factor:.6g} times as large"
    return ""


def _divided(case: Case) -> str:
    if case.op != "local_response_norm" or (case.expected * case.found < 0).any():
        return ""
    return "it is divided by something else: size, alpha, beta or k"


def _negative(case: Case) -> str:
    if len(case.inputs) != 1 or case.inputs[0].shape != case.found.shape:
        return ""
    negative = case.inputs[0] < 0
    if not negative.any() or negative.all() or case.wrong[~negative].any():
        return ""
    if case.op in ("leaky_relu", "prelu"):
        return "it differs only where its input is negative: another slope"
    if case.op in ("elu", "selu"):
        return "it differs only where its input is negative: another alpha"
    return "it differs only where its input is negative"


FILLS = {
    "avg_pool": "the padding, or whether it counts in the mean",
    "max_pool": "the padding, or what it is filled with",
    "conv": "the padding, or what it is filled with",
    "pad": "what it is filled with",
}


def _edges(case: Case) -> str:
    """Right within, wrong along the border."""
    sizes = case.expected.shape[2:]
    wrong = case.wrong
    for width in range(1, WIDEST_BORDER + 1):
        axes = [axis for axis, size in enumerate(sizes, 2) if size > 2 * width]
        if not axes:
            break
        inside = tuple(
            slice(width, -width) if axis in axes else slice(None)
            for axis in range(case.expected.ndim)
        )
        if not wrong[inside].any():
            why = FILLS.get(case.op, "")
            return "only its border differs" + (f": {why}" if why else "")
    return ""


def _some(case: Case) -> str:
    """Only some channels, or some positions of a sequence."""
    if case.expected.ndim > 3:
        names = {1: "channels"}
    else:
        names = {1: "channels", 2: "positions"}
    for axis, name in names.items():
        if axis >= case.expected.ndim:
            continue
        others = tuple(i for i in range(case.expected.ndim) if i != axis)
        wrong: Array = np.asarray(case.wrong.any(others))
        runs = list(_runs(wrong))
        if not wrong.all() and len(runs) <= 2 and len(wrong) > 2:
            return f"only {name} {' and '.join(runs)} of {len(wrong)} differ, from 0"
    return ""


def _runs(wrong: Array) -> Iterator[str]:
    """`2 to 4` for each run of trues."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], wrong.astype(int), [0]))))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield f"{start}" if stop - start == 1 else f"{start} to {stop - 1}"


def _small(case: Case) -> str:
    if case.apart >= 1e-2 * max(np.abs(case.expected).max(), 1e-30):
        return ""
    if case.op in NORMS:
        return (
            "a small difference: another epsilon, or another estimate of the variance"
        )
    return "a small difference: another form of the function, or a constant"


CAUSES: tuple[Callable[[Case], str], ...] = (
    _zero,
    _passed_on,
    _merged,
    _activation,
    _reduced,
    _shift,
    _order,
    _pooled,
    _offset,
    _factor,
    _spread,
    _negative,
    _divided,
    _edges,
    _some,
    _small,
)
