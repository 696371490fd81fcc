"""Convolution: maps enter, one map per filter leaves."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from cnnspec.arrays import Connections, Given
from cnnspec.dims import Window
from cnnspec.fields import Boolean, Choice, Integer, Padding, PerAxis, spread
from cnnspec.layers.activation import (
    ACTIVATIONS,
    kept_with,
    keras_activation,
    torch_activation,
)
from cnnspec.layers.constants import (
    check_shape,
    constant_field,
    constant_weight,
    keras_kernel,
    torch_kernel,
)
from cnnspec.layers.faults import indivisible
from cnnspec.layers.layer import Kept, Misfit, Weight, only
from cnnspec.layers.padding import (
    keras_every,
    keras_word,
    keras_zeros,
    torch_inside,
    torch_padding,
    windows_of,
)
from cnnspec.layers.partial import (
    check_table,
    is_partial,
    keras_partial,
    refuse_beside,
    torch_partial,
)
from cnnspec.layers.window import Sliding, resolve_windows, walk
from cnnspec.shapes import MAPS, Shape, maps

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step


class Conv(Sliding):
    """Convolution (cross-correlation, as in all frameworks) with learned kernels.

    Each of K filters slides over the input with stride S and sums, in each window, F x F x C
    products and a bias. It works on signals (1-D), images (2-D) and volumes (3-D), by its input.

    Shapes: (C, H, W) -> (K, H', W') with H' = (H - F + 2P)/S + 1, likewise W'.
    Parameters: K(F x F x C/groups + 1), without bias K(F x F x C/groups); with `connections`
        F x F for each connection.
    MACs: K x H' x W' x F x F x C/groups; with `connections` H' x W' x F x F for each.
    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
    """

    op = "conv"
    counts_depth = True
    takes_init = True
    adds_bias = True
    takes_values = True
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
    weights_ = constant_field()
    connections = Connections(
        None,
        doc="For each filter the list of the channels it sees, counted from 0: a filter has "
        "kernels for these alone.",
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
            raise Misfit(indivisible(channels, filters, groups))
        made = maps(filters, *walk(shape, self.windows(shape), self.rounding))
        if self.connections is not None:
            for field, absent in (("groups", groups == 1), ("weights", not self.given)):
                if not absent:
                    refuse_beside(field)
            check_table(self.connections, filters, channels)
        if self.given is not None:
            check_shape(self.given.constant, self.weights(inputs)[0].shape, "weights")
        return (made,)

    @property
    def given(self) -> Given | None:
        """The constant kernel; the name `weights` is that of the tensors."""
        given: Given | None = self.values["weights"]
        return given

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        shape, filters = inputs[0], self.filters
        extents = spread(self.kernel, shape.rank) or ()
        if self.connections is not None:
            kernel = Weight("weight", (sum(map(len, self.connections)), *extents))
        else:
            size = (filters, shape.sizes[0] // self.groups, *extents)
            kernel = constant_weight(size, self.given)
        return (kernel, Weight("bias", (filters,))) if self.bias else (kernel,)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        return self.weights(inputs)[0].count * prod(outputs[0].spatial)

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return kept_with(self.activation, outputs)

    def pytorch(self, site: Site) -> list[Step]:
        outside, padding = torch_padding(site, torch_inside)
        options = {
            **site.unless(1, stride=site.field("stride")),
            **padding,
            **site.unless(1, dilation=site.field("dilation")),
            **site.unless(1, groups=site.field("groups")),
            **site.unless(True, bias=site.field("bias")),
        }
        sizes = (site.channels, site.field("filters"), site.field("kernel"))
        if is_partial(site):
            conv = torch_partial(site, *sizes, **options)
        else:
            conv = torch_kernel(site, f"nn.Conv{site.rank}d", *sizes, **options)
        return [*outside, conv, *torch_activation(site)]

    def keras(self, site: Site) -> list[Step]:
        # Keras refuses a stride together with a dilation: stride 1, then a slice.
        sliced = any(
            max(w.stride for w in windows_of(i)) > 1
            and max(w.dilation for w in windows_of(i)) > 1
            for i in site.instances
        )
        padding = keras_word(site, steps_of_one=sliced)
        options = {
            **({} if sliced else site.unless(1, strides=site.field("stride"))),
            **(padding or {}),
            **site.unless(1, dilation_rate=site.field("dilation")),
            **site.unless(1, groups=site.field("groups")),
            **keras_activation(site),
            **site.unless(True, use_bias=site.field("bias")),
        }
        sizes = (site.field("filters"), site.field("kernel"))
        if is_partial(site):
            conv = keras_partial(site, *sizes, **options)
        else:
            conv = keras_kernel(site, f"Conv{site.rank}D", *sizes, **options)
        outside = [keras_zeros(site)] if padding is None else []
        return [*outside, conv, *([keras_every(site)] if sliced else [])]
