"""Convolution: maps enter, one map per filter leaves."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, prod
from typing import TYPE_CHECKING, Any

from cnnspec.dims import Window
from cnnspec.fields import Boolean, Choice, Integer, Padding, PerAxis, spread
from cnnspec.layers.activation import (
    ACTIVATIONS,
    kept_with,
    keras_activation,
    torch_activation,
)
from cnnspec.layers.layer import Kept, Misfit, Remark, Remedy, Weight, only
from cnnspec.layers.padding import (
    equal_sides,
    keras_word,
    keras_zeros,
    torch_padding,
    windows_of,
)
from cnnspec.layers.window import Sliding, resolve_windows, walk
from cnnspec.shapes import MAPS, Shape, maps

if TYPE_CHECKING:
    from cnnspec.emit.site import Instance, Site, Step, Value

EVERY = '''\
def every{rank}d(x, {strides}):
    """Each stride-th pixel: Keras' convolution takes no stride with a dilation."""
    return x[:, {slices}]
'''


class Conv(Sliding):
    """Convolution (cross-correlation, as in all frameworks) with learned kernels.

    Each of K filters slides over the input with stride S and sums, in each window, F x F x C
    products and a bias. It works on signals (1-D), images (2-D) and volumes (3-D), by its input.

    Shapes: (C, H, W) -> (K, H', W') with H' = (H - F + 2P)/S + 1, likewise W'.
    Parameters: K(F x F x C/groups + 1), without bias K(F x F x C/groups).
    MACs: K x H' x W' x F x F x C/groups.
    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """

    op = "conv"
    counts_depth = True
    takes_init = True
    example = "- conv: {filters: 10, kernel: 5, padding: 2, activation: relu}"

    filters = Integer(least=1, doc="Number of filters K: channels of the output.")
    kernel = PerAxis(doc="Extent F of a filter.")
    stride = PerAxis(1, doc="Step S between windows.")
    padding = Padding(
        0,
        doc="Zeros around the input: a number P, `valid` (none), `same` (W/S windows, rounded "
        "up), one number per axis, or before and after for each axis.",
        unit="pixels",
    )
    dilation = PerAxis(
        1, doc="Distance D between a filter's taps; it spans (F - 1)D + 1."
    )
    groups = Integer(
        1, least=1, doc="The channels are split into this many groups, convolved apart."
    )
    bias = Boolean(True, doc="Adds a learned number per filter.")
    activation = Choice(
        *ACTIVATIONS, default="none", doc="Function applied to each output number."
    )
    rounding = Choice(
        "floor",
        "exact",
        default="floor",
        doc="Where the stride does not divide: drop the last pixels, or refuse.",
    )

    def windows(self, shape: Shape) -> tuple[Window, ...]:
        return resolve_windows(
            shape.spatial, self.kernel, self.stride, self.padding, self.dilation
        )

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        channels, filters, groups = shape.sizes[0], self.filters, self.groups
        if channels % groups or filters % groups:
            raise Misfit(_indivisible(channels, filters, groups))
        return (maps(filters, *walk(shape, self.windows(shape), self.rounding)),)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        shape, filters = inputs[0], self.filters
        extents = spread(self.kernel, shape.rank) or ()
        kernel = Weight("weight", (filters, shape.sizes[0] // self.groups, *extents))
        return (kernel, Weight("bias", (filters,))) if self.bias else (kernel,)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        return self.weights(inputs)[0].count * prod(outputs[0].spatial)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return kept_with(self.activation, outputs)

    def pytorch(self, site: Site) -> list[Step]:
        outside, padding = torch_padding(site, _torch_inside)
        conv = site.module(
            f"nn.Conv{site.rank}d",
            site.channels,
            site.field("filters"),
            site.field("kernel"),
            **site.unless(1, stride=site.field("stride")),
            **padding,
            **site.unless(1, dilation=site.field("dilation")),
            **site.unless(1, groups=site.field("groups")),
            **site.unless(True, bias=site.field("bias")),
        )
        return [*outside, conv, *torch_activation(site)]

    def keras(self, site: Site) -> list[Step]:
        # Keras refuses a stride together with a dilation: stride 1, then a slice.
        sliced = any(
            max(w.stride for w in windows_of(i)) > 1
            and max(w.dilation for w in windows_of(i)) > 1
            for i in site.instances
        )
        padding = keras_word(site, steps_of_one=sliced)
        conv = site.layer(
            f"Conv{site.rank}D",
            site.field("filters"),
            site.field("kernel"),
            **({} if sliced else site.unless(1, strides=site.field("stride"))),
            **(padding or {}),
            **site.unless(1, dilation_rate=site.field("dilation")),
            **site.unless(1, groups=site.field("groups")),
            **keras_activation(site),
            **site.unless(True, use_bias=site.field("bias")),
        )
        outside = [keras_zeros(site)] if padding is None else []
        return [*outside, conv, *([_keras_every(site)] if sliced else [])]


def _torch_inside(instance: Instance) -> Any:
    """What nn.Conv takes as `padding`; its "same" has stride 1 only, and pads the odd after."""
    word = instance.layer.values["padding"]
    steps_of_one = all(w.stride == 1 for w in windows_of(instance))
    if word == "valid" or (word == "same" and steps_of_one):
        return word
    return equal_sides(instance)


def _keras_every(site: Site) -> Step:
    rank = site.rank
    names = [f"stride{axis + 1}" for axis in range(rank)] if rank > 1 else ["stride"]
    source = EVERY.format(
        rank=rank,
        strides=", ".join(names),
        slices=", ".join(f"::{name}" for name in names),
    )
    field = site.field("stride")
    is_number = all(type(i.layer.values["stride"]) is int for i in site.instances)
    candidates = [field] if is_number else []
    steps: list[Value] = [
        site.number(_stride_along(axis), *candidates) for axis in range(rank)
    ]
    return site.call(site.helper(f"every{rank}d", source), *steps)


def _stride_along(axis: int) -> Callable[[Instance], int]:
    return lambda instance: windows_of(instance)[axis].stride


def _indivisible(channels: int, filters: int, groups: int) -> Remark:
    """CS305, with the divisors nearest to what was asked for."""
    both = gcd(channels, filters)
    near = sorted(
        range(max(1, groups - 64), groups + 64), key=lambda n: abs(n - groups)
    )
    divisors = dict.fromkeys([n for n in near if both % n == 0][:2] + [both, 1])
    remedies = [Remedy({"groups": n}, f"groups {n}") for n in divisors]
    if channels % groups:
        return Remark(
            "CS305",
            "groups do not divide the input channels",
            f"{channels} channels, {groups} groups",
            field="groups",
            port=0,
            remedies=tuple(remedies),
        )
    above = -(-filters // groups) * groups
    multiples = [n for n in (above, above - groups) if n]
    multiples.sort(key=lambda n: abs(n - filters))
    remedies[1:1] = [Remedy({"filters": n}, f"filters {n}") for n in multiples]
    return Remark(
        "CS305",
        "groups do not divide the filters",
        f"{filters} filters, {groups} groups",
        field="groups",
        remedies=tuple(remedies),
    )
