"""The fields that convolutions share, and what their pages say of them."""

from __future__ import annotations

from cnnspec import dims
from cnnspec.fields import Choice, Integer, Padding, PerAxis


def filters_field() -> Integer:
    return Integer(least=1, doc="Number of filters K: channels of the output.")


def kernel_field() -> PerAxis:
    return PerAxis(doc="Extent F of a filter.")


def stride_field() -> PerAxis:
    return PerAxis(1, doc="Step S between windows.")


def padding_field() -> Padding:
    return Padding(
        0,
        doc="Zeros around the input: a number P, `valid` (none), `same` (W/S windows, rounded "
        "up), one number per axis, or before and after for each axis.",
        unit="pixels",
    )


def dilation_field() -> PerAxis:
    return PerAxis(1, doc="Distance D between a filter's taps; it spans (F - 1)D + 1.")


def groups_field() -> Integer:
    return Integer(
        1, least=1, doc="The channels are split into this many groups, convolved apart."
    )


def rounding_field() -> Choice:
    return Choice(
        dims.FLOOR,
        dims.EXACT,
        default=dims.FLOOR,
        doc="Where the stride does not divide: drop the last pixels, or refuse.",
    )
