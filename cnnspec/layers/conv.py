"""Convolution: maps enter, one map per filter leaves."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from cnnspec.arrays import Connections
from cnnspec.fields import Boolean, spread
from cnnspec.layers.activation import (
    activation_field,
    kept_with,
    keras_activation,
    torch_activation,
)
from cnnspec.layers.constants import (
    MayBeGiven,
    constant_field,
    constant_weight,
    keras_kernel,
    torch_kernel,
)
from cnnspec.layers.faults import indivisible
from cnnspec.layers.layer import Kept, Misfit, Weight, only
from cnnspec.layers.padding import (
    keras_every,
    keras_slices,
    keras_word,
    keras_zeros,
    torch_inside,
    torch_padding,
)
from cnnspec.layers.window import Sliding, walk
from cnnspec.layers.window_fields import (
    dilation_field,
    filters_field,
    groups_field,
    kernel_field,
    padding_field,
    rounding_field,
    stride_field,
)
from cnnspec.shapes import MAPS, Shape, maps

if TYPE_CHECKING:
    from cnnspec.emit.site import Site, Step
    from cnnspec.layers.variables import Line, Variable


class Conv(Sliding, MayBeGiven):
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

    filters = filters_field()
    kernel = kernel_field()
    stride = stride_field()
    padding = padding_field()
    dilation = dilation_field()
    groups = groups_field()
    bias = Boolean(True, doc="Adds a learned number per filter.")
    activation = activation_field()
    weights_ = constant_field()
    connections = Connections(
        None,
        doc="For each filter the list of the channels it sees, counted from 0: a filter has "
        "kernels for these alone.",
    )
    rounding = rounding_field()

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        channels, filters, groups = shape.sizes[0], self.filters, self.groups
        if channels % groups or filters % groups:
            raise Misfit(indivisible(channels, filters, groups))
        made = maps(filters, *walk(shape, self.windows(shape), self.rounding))
        if self.connections is not None:
            from cnnspec.layers.partial import check_table, refuse_beside

            for field, absent in (("groups", groups == 1), ("weights", not self.given)):
                if not absent:
                    refuse_beside(field)
            check_table(self.connections, filters, channels)
        self.check_given(inputs)
        return (made,)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        shape, filters = inputs[0], self.filters
        extents = spread(self.kernel, shape.rank) or ()
        if self.connections is not None:
            kernel = Weight("weight", (sum(map(len, self.connections)), *extents))
        else:
            size = (filters, shape.sizes[0] // self.groups, *extents)
            kernel = constant_weight(size, self.given)
        return (kernel, Weight("bias", (filters,))) if self.bias else (kernel,)

    def keras_variables(
        self, inputs: tuple[Shape, ...], line: Line
    ) -> tuple[Variable, ...]:
        if self.connections is None:
            return super().keras_variables(inputs, line)
        from cnnspec.layers.variables import channels_last, usual

        kernels, *bias = self.weights(inputs)
        return (channels_last("kernel", kernels), *map(usual, bias))

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
        if _is_partial(site):
            from cnnspec.layers.partial import torch_partial

            conv = torch_partial(site, *sizes, **options)
        else:
            conv = torch_kernel(site, f"nn.Conv{site.rank}d", *sizes, **options)
        return [*outside, conv, *torch_activation(site)]

    def keras(self, site: Site) -> list[Step]:
        sliced = keras_slices(site)
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
        if _is_partial(site):
            from cnnspec.layers.partial import keras_partial

            conv = keras_partial(site, *sizes, **options)
        else:
            conv = keras_kernel(site, f"Conv{site.rank}D", *sizes, **options)
        outside = [keras_zeros(site)] if padding is None else []
        return [*outside, conv, *([keras_every(site)] if sliced else [])]


def _is_partial(site: Site) -> bool:
    """Whether there is a table: an argument that hands it on can't be empty."""
    return site.instances[0].layer.values["connections"] is not None
