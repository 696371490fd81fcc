"""Transposed convolution: maps enter, larger maps leave."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from cnnspec.fields import Boolean, Padding, PerAxis, spread
from cnnspec.layers.activation import (
    activation_field,
    kept_with,
    keras_activation,
    torch_activation,
)
from cnnspec.layers.fans import (
    KERAS_BILINEAR,
    TORCH_BILINEAR,
    TORCH_FAN_IN,
    TORCH_HE,
    keras_swapped,
    torch_transposed,
)
from cnnspec.layers.faults import cropped_away, indivisible, overshot
from cnnspec.layers.layer import EVERYWHERE, Kept, Layer, Misfit, Reach, Weight, only
from cnnspec.layers.window import along_axes, along_sides
from cnnspec.layers.window_fields import (
    dilation_field,
    filters_field,
    groups_field,
    kernel_field,
)
from cnnspec.shapes import MAPS, Shape, maps

if TYPE_CHECKING:
    from collections.abc import Callable

    from cnnspec.emit.site import Instance, Site, Step, Value
    from cnnspec.emit.statements import Statement
    from cnnspec.initializers import Initializer

KERAS = '''\
class ConvTranspose{rank}D(layers.Conv{rank}DTranspose):
    """Keras' own, with groups and dilation."""

    def __init__(self, filters, kernel, groups=1, dilation=1, **options):
        super().__init__(filters, kernel, **options)
        self.groups = groups
        is_number = isinstance(dilation, int)
        self.dilation_rate = (dilation,) * self.rank if is_number else dilation

    def build(self, shape):
        size = (*self.kernel_size, self.filters // self.groups, shape[-1])
        self.kernel = self.add_weight(size, self.kernel_initializer, name="kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, x):
        kernel = self.kernel
        for size, step in zip(self.kernel_size, self.dilation_rate, strict=True):
            spread = ops.one_hot(ops.arange(size) * step, (size - 1) * step + 1)
            kernel = ops.tensordot(kernel, ops.cast(spread, kernel.dtype), (0, 0))
        kernel = ops.moveaxis(kernel, (0, 1), (-2, -1))  # the spread axes came last
        xs, kernels = (ops.split(value, self.groups, -1) for value in (x, kernel))
        options = {{"strides": self.strides, "output_padding": self.output_padding}}
        made = [
            ops.conv_transpose(x, kernel, **options)
            for x, kernel in zip(xs, kernels, strict=True)
        ]
        x = ops.concatenate(made, -1)
        return self.activation(x + self.bias if self.use_bias else x)
'''


class Stretch(NamedTuple):
    """How one axis is widened; all in pixels of the output."""

    kernel: int
    stride: int
    dilation: int
    before: int  # cropped
    after: int
    more: int  # output_padding

    @property
    def extent(self) -> int:
        """Pixels that one pixel of the input spreads to: (F - 1)D + 1."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def end(self) -> int:
        """What is cropped at the end; less than 0 where zeros are added."""
        return self.after - self.more

    def whole(self, size: int) -> int:
        """The output before anything is cropped."""
        return (size - 1) * self.stride + self.extent

    def count(self, size: int) -> int:
        """The output's extent; none where it is 0 or less."""
        return self.whole(size) - self.before - self.end


class ConvTranspose(Layer):
    """Transposed convolution: each pixel spreads a learned pattern over the output, and these add up.

    It is the gradient of a convolution with respect to its input, and so maps the convolution's
    output size back to its input size; it is not its inverse. A stride S puts the patterns S
    pixels apart. Padding P crops the output, for a convolution's padding is no part of its input.
    Several input sizes give a strided convolution the same output size: `output_padding` says which
    of them is meant.

    Without `init` a kernel begins He normal, where an output sums over F/S pixels of each channel
    along an axis.

    Shapes: (C, H, W) -> (K, H', W') with H' = (H - 1)S - 2P + (F - 1)D + output_padding + 1,
    likewise W'; with `padding: same` H' = H x S.
    Parameters: C x F x F x K/groups + K, without bias C x F x F x K/groups.
    MACs: C x H x W x F x F x K/groups.
    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, ch. 4.
    """

    op = "conv_transpose"
    counts_depth = True
    takes_init = True
    adds_bias = True
    torch_class = "nn.modules.conv._ConvTransposeNd"
    torch_init = TORCH_HE
    example = "- conv_transpose: {filters: 64, kernel: 2, stride: 2}"

    filters = filters_field()
    kernel = kernel_field()
    stride = PerAxis(1, doc="Step S in the output between neighbours of the input.")
    padding = Padding(
        0,
        doc="What is cropped of the output: a number P, `valid` (nothing), `same` (to H x S, the "
        "odd pixel after), one number per axis, or before and after for each axis.",
        unit="pixels",
    )
    output_padding = PerAxis(
        0, least=0, doc="Adds this much at the end of each axis; less than the stride."
    )
    dilation = dilation_field()
    groups = groups_field()
    bias = Boolean(True, doc="Adds a learned number per filter.")
    activation = activation_field()

    def stretches(self, shape: Shape) -> tuple[Stretch, ...]:
        """One per spatial axis; raises Misfit (CS303)."""
        rank, padding = shape.rank, self.padding
        kernels = along_axes("kernel", self.kernel, rank)
        strides = along_axes("stride", self.stride, rank)
        dilations = along_axes("dilation", self.dilation, rank)
        more = along_axes("output_padding", self.output_padding, rank)
        words = isinstance(padding, str)
        sides = ((0, 0),) * rank if words else along_sides("padding", padding, rank)  # type: ignore[arg-type]
        found = [
            Stretch(k, s, d, *side, m)
            for k, s, d, side, m in zip(
                kernels, strides, dilations, sides, more, strict=True
            )
        ]
        return tuple(map(_same, found) if padding == "same" else found)

    def infer(self, inputs: tuple[Shape, ...]) -> tuple[Shape, ...]:
        shape = only(self.op, inputs, (MAPS,))
        channels, filters, groups = shape.sizes[0], self.filters, self.groups
        if channels % groups or filters % groups:
            raise Misfit(indivisible(channels, filters, groups))
        stretches = self.stretches(shape)
        more = along_axes("output_padding", self.output_padding, shape.rank)
        strides = tuple(s.stride for s in stretches)
        is_same = self.padding == "same"
        if any(m >= s or (is_same and m) for m, s in zip(more, strides, strict=True)):
            raise Misfit(overshot(more, strides, is_same))
        sizes = tuple(
            s.count(size) for s, size in zip(stretches, shape.spatial, strict=True)
        )
        if min(sizes) < 1:
            wholes = [
                s.whole(size) + s.more
                for s, size in zip(stretches, shape.spatial, strict=True)
            ]
            raise Misfit(cropped_away(wholes, [s.before + s.after for s in stretches]))
        return (maps(filters, *sizes),)

    def weights(self, inputs: tuple[Shape, ...]) -> tuple[Weight, ...]:
        shape, filters = inputs[0], self.filters
        extents = spread(self.kernel, shape.rank) or ()
        kernel = Weight("weight", (shape.sizes[0], filters // self.groups, *extents))
        return (kernel, Weight("bias", (filters,))) if self.bias else (kernel,)

    def macs(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> int:
        return self.weights(inputs)[0].count * prod(inputs[0].spatial)

    def reach(self, inputs: tuple[Shape, ...]) -> Reach:
        stretches = self.stretches(inputs[0])
        if any(s.stride > 1 for s in stretches):
            return EVERYWHERE  # a step of a part of a pixel is no whole number
        return Reach(tuple(s.extent for s in stretches), (1,) * len(stretches))

    def keeps(self, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> Kept:
        return kept_with(self.activation, outputs)

    @classmethod
    def torch_draws(cls, module: str, init: Initializer) -> list[Statement]:
        return torch_transposed(module, init)

    def pytorch(self, site: Site) -> list[Step]:
        site.helper("fan_in", TORCH_FAN_IN)
        if site.init is not None and site.init.kind == "bilinear":
            site.helper("bilinear_", TORCH_BILINEAR)
        conv = site.module(
            f"nn.ConvTranspose{site.rank}d",
            site.channels,
            site.field("filters"),
            site.field("kernel"),
            **site.unless(1, stride=site.field("stride")),
            **site.unless(0, padding=_along(site, _torch_padding, "padding")),
            **site.unless(
                0, output_padding=_along(site, _torch_more, "output_padding")
            ),
            **site.unless(1, groups=site.field("groups")),
            **site.unless(True, bias=site.field("bias")),
            **site.unless(1, dilation=site.field("dilation")),
        )
        crops = any(any(map(any, _torch_crops(i))) for i in site.instances)
        crop = [site.call("F.pad", site.number(_torch_negative))] if crops else []
        return [conv, *crop, *torch_activation(site)]

    def keras(self, site: Site) -> list[Step]:
        every = [s for i in site.instances for s in _stretches(i)]
        is_same = all(s[:-1] == _same(s)[:-1] and s.end == _same(s).end for s in every)
        own = _lacked(site)
        padding: dict[str, Value] = {}
        if is_same and not own and any(s.before or s.end for s in every):
            padding = {"padding": "same"}
        elif any(s.end < 0 or s.extent < s.stride for s in every):
            # Without it Keras adds zeros up to the stride.
            padding = {"output_padding": _along(site, _keras_more, "output_padding")}
        conv = site.layer(
            site.helper(f"ConvTranspose{site.rank}D", KERAS.format(rank=site.rank))
            if own
            else f"layers.Conv{site.rank}DTranspose",
            site.field("filters"),
            site.field("kernel"),
            **site.unless(1, strides=site.field("stride")),
            **padding,
            **own,
            kernel_initializer=_keras_initializer(site),
            **keras_activation(site),
            **site.unless(True, use_bias=site.field("bias")),
        )
        if "padding" in padding or not any(s.before or s.end > 0 for s in every):
            return [conv]
        amounts = site.number(_keras_crops, site.field("padding"))
        crop = site.layer(f"layers.Cropping{site.rank}D", amounts, suffix="crop")
        return [conv, site.guarded(crop, amounts)]


def _keras_initializer(site: Site) -> Value:
    from cnnspec.emit.render import Verbatim
    from cnnspec.expressions import Binary, Expr, Literal

    if site.init is not None and site.init.kind == "bilinear":
        return Verbatim(site.helper("bilinear", KERAS_BILINEAR))
    stride, rank = site.field("stride"), site.rank
    squares = [Binary("**", stride, Literal(rank))] if isinstance(stride, Expr) else []
    return keras_swapped(site, site.number(_pixels_apart, stride, *squares))


def _pixels_apart(instance: Instance) -> int:
    """Outputs among which the inputs that a kernel reads are shared out."""
    groups: int = instance.layer.values["groups"]
    return groups * prod(s.stride for s in _stretches(instance))


def _same(stretch: Stretch) -> Stretch:
    """Cropped to S pixels for each of the input, the odd one after.

    Source: TensorFlow's conv2d_transpose, the gradient of a convolution with SAME_UPPER.
    """
    total = stretch.extent - stretch.stride
    before = max(total, 0) // 2
    return stretch._replace(
        before=before, after=max(total, 0) - before, more=max(-total, 0)
    )


def _stretches(instance: Instance) -> tuple[Stretch, ...]:
    assert isinstance(instance.layer, ConvTranspose)
    return instance.layer.stretches(instance.inputs[0])


def _along(site: Site, get: Callable[[Stretch], int], field: str) -> Value:
    """One number, or one for each axis."""

    def amounts(instance: Instance) -> Any:
        found = tuple(map(get, _stretches(instance)))
        is_list = instance.layer.values[field] == found
        return found[0] if len(set(found)) == 1 and not is_list else found

    return site.number(amounts, site.field(field))


def _torch_padding(stretch: Stretch) -> int:
    """PyTorch crops both sides alike, and less at the end by an output padding below the stride."""
    before, end = stretch.before, stretch.end
    if 0 <= before - end < stretch.stride:
        return before
    return max(min(before, end), 0)


def _torch_more(stretch: Stretch) -> int:
    before, end = stretch.before, stretch.end
    return before - end if 0 <= before - end < stretch.stride else max(-end, 0)


def _torch_crops(instance: Instance) -> list[tuple[int, int]]:
    """What the module leaves to crop, by axis."""
    return [
        (s.before - _torch_padding(s), s.end + _torch_more(s) - _torch_padding(s))
        for s in _stretches(instance)
    ]


def _torch_negative(instance: Instance) -> tuple[int, ...]:
    """As F.pad takes it: the last axis first; below zero it crops."""
    return tuple(-n for pair in reversed(_torch_crops(instance)) for n in pair)


def _lacked(site: Site) -> dict[str, Value]:
    """The arguments that Keras' own layer does not take."""
    options = {
        **site.unless(1, groups=site.field("groups")),
        **site.unless(1, dilation=site.field("dilation")),
    }
    is_plain = all(
        i.layer.values["groups"] == 1 and all(s.dilation == 1 for s in _stretches(i))
        for i in site.instances
    )
    return {} if is_plain else options


def _keras_more(stretch: Stretch) -> int:
    return max(-stretch.end, 0)


def _keras_crops(instance: Instance) -> Any:
    sides = [(s.before, max(s.end, 0)) for s in _stretches(instance)]
    if any(before != end for before, end in sides):
        return sides[0] if len(sides) == 1 else tuple(sides)
    amounts = tuple(before for before, _ in sides)
    return amounts[0] if len(set(amounts)) == 1 else amounts
